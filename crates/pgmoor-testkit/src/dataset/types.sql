-- Schemas, extensions, collations, types, functions, operators, casts, text search.
create schema "Häus ""1""" authorization "Owner of ""Things""";
create schema ext;
create schema "pg-like.name";
create schema billing authorization keeper;
comment on schema "Häus ""1""" is E'comment with a\nnew line, ''quotes'' and a \\';
grant usage on schema "Häus ""1""" to ro, rw;
grant all on schema billing to rw with grant option;
grant usage on schema public to ro;

create extension citext with schema ext;
create extension pg_trgm with schema public;
create extension hstore with schema "Häus ""1""";
create extension btree_gist with schema ext;
create extension pgcrypto with schema ext;
create extension postgres_fdw with schema ext;
create extension file_fdw with schema public;

create collation "Häus ""1""".german (provider = icu, locale = 'de-u-co-phonebk');
create collation public."no case" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation ext.plain (lc_collate = 'C', lc_ctype = 'POSIX');
comment on collation public."no case" is 'A = a';

create type public.mood as enum ('sad', 'it''s ok', 'Häppy', '');
alter type public.mood add value 'meh' after 'sad';
create type "Häus ""1"""."Pair" as (a int, "B b" text collate "C", c public.mood[]);
alter type "Häus ""1"""."Pair" add attribute dropped int;
alter type "Häus ""1"""."Pair" drop attribute dropped;
comment on column "Häus ""1"""."Pair"."B b" is 'second';
create domain public.percent as numeric(5,2) default 0 not null constraint "in range" check (value between 0 and 100);
create domain public.name as varchar(40) collate "Häus ""1""".german check (value <> '' and length(value) < 40);
create domain public.percents as public.percent[] check (array_length(value, 1) < 10);
comment on domain public.percent is 'of a hundred';
comment on constraint "in range" on domain public.percent is 'why';
revoke usage on type public.percent from public;
grant usage on type public.percent to ro;
create type public.shell;
drop type public.shell;

create function public.mood_rank(public.mood) returns int language sql immutable strict parallel safe
  as $$ select array_position(enum_range(null::public.mood), $1) $$;
create function billing.diff(a numeric, b numeric) returns double precision language sql immutable strict
  as 'select (a - b)::double precision';
create type billing.money_range as range (subtype = numeric, subtype_diff = billing.diff);
create type billing.name_range as range (subtype = text, collation = "Häus ""1""".german);
-- from 14
create type billing.stretch as range (subtype = int, multirange_type_name = billing."Many stretches");
-- always

create function public.touch() returns trigger language plpgsql as $body$
begin
  new.changed := 'epoch';
  return new;
end
$body$;
create function public.noted() returns trigger language plpgsql as
  'begin perform count(*) from new_rows; return null; end';
create function public.checked() returns trigger language plpgsql as 'begin return null; end';
create function "Häus ""1""".add(a int, b int default 1, variadic c int[] default '{}') returns int
  language plpgsql stable security definer cost 7 set search_path to 'public', 'Häus ""1""' set work_mem to '5MB'
  as 'begin return a + b; end';
create function "Häus ""1""".add(a text) returns text language sql immutable leakproof as 'select $1';
create function public.pairs(n int, out a int, out b text) returns setof record language sql rows 5
  as 'select i, i::text from generate_series(1, n) i';
create function public.pair_table(int) returns table (x int, "y y" public.mood) language sql stable parallel restricted
  as $$ select 1, 'sad'::public.mood $$;
create procedure billing.close(inout done boolean, day date default '2020-01-01') language plpgsql
  as 'begin done := true; end';
comment on function "Häus ""1""".add(text) is 'itself';
comment on procedure billing.close(boolean, date) is 'a procedure';
revoke execute on function "Häus ""1""".add(text) from public;
grant execute on function "Häus ""1""".add(text) to rw with grant option;
alter function "Häus ""1""".add(text) owner to keeper;
-- from 14
create function public.atomic(a int, b int default public.mood_rank('sad')) returns int language sql
  begin atomic; select a + b; end;
create procedure billing.out_of(in a int, out b text) language sql as $$ select a::text $$;
-- always

create function billing.longer(text, text) returns text language sql immutable as
  'select case when length($1) >= length($2) then $1 else $2 end';
create aggregate billing.longest(text) (sfunc = billing.longer, stype = text, initcond = '', combinefunc = billing.longer, parallel = safe);
create aggregate billing.place(float8 order by text) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
create aggregate billing.total(int) (sfunc = int4_sum, stype = bigint, msfunc = int4_avg_accum, minvfunc = int4_avg_accum_inv,
  mstype = bigint[], mfinalfunc = int2int4_sum, minitcond = '{0,0}', sspace = 8);
comment on aggregate billing.longest(text) is 'the longest';
alter aggregate billing.longest(text) owner to keeper;

create function billing.mood_lt(public.mood, public.mood) returns boolean language sql immutable strict as 'select public.mood_rank($1) < public.mood_rank($2)';
create function billing.mood_gt(public.mood, public.mood) returns boolean language sql immutable strict as 'select public.mood_rank($1) > public.mood_rank($2)';
create function billing.mood_le(public.mood, public.mood) returns boolean language sql immutable strict as 'select public.mood_rank($1) <= public.mood_rank($2)';
create function billing.mood_ge(public.mood, public.mood) returns boolean language sql immutable strict as 'select public.mood_rank($1) >= public.mood_rank($2)';
create function billing.mood_eq(public.mood, public.mood) returns boolean language sql immutable strict as 'select public.mood_rank($1) = public.mood_rank($2)';
create function billing.mood_cmp(public.mood, public.mood) returns int language sql immutable strict as 'select public.mood_rank($1) - public.mood_rank($2)';
create operator billing.<! (leftarg = public.mood, rightarg = public.mood, function = billing.mood_lt, commutator = OPERATOR(billing.>!), negator = OPERATOR(billing.>=!), restrict = scalarltsel, join = scalarltjoinsel);
create operator billing.>! (leftarg = public.mood, rightarg = public.mood, function = billing.mood_gt, commutator = OPERATOR(billing.<!), negator = OPERATOR(billing.<=!));
create operator billing.<=! (leftarg = public.mood, rightarg = public.mood, function = billing.mood_le, commutator = OPERATOR(billing.>=!), negator = OPERATOR(billing.>!));
create operator billing.>=! (leftarg = public.mood, rightarg = public.mood, function = billing.mood_ge, negator = OPERATOR(billing.<!));
create operator billing.=! (leftarg = public.mood, rightarg = public.mood, function = billing.mood_eq, commutator = OPERATOR(billing.=!), merges, hashes);
create operator public.!! (rightarg = public.mood, function = public.mood_rank);
comment on operator billing.<! (public.mood, public.mood) is 'by rank';
comment on operator public.!! (none, public.mood) is 'prefix';
create operator family billing.mood_family using btree;
create operator class billing.by_rank for type public.mood using btree family billing.mood_family as
  operator 1 billing.<!, operator 2 billing.<=!, operator 3 billing.=!, operator 4 billing.>=!, operator 5 billing.>!,
  function 1 billing.mood_cmp(public.mood, public.mood);
create operator class billing.by_hash for type public.mood using hash as operator 1 billing.=!, function 1 hashenum(anyenum);
create operator class billing.signature for type int using gist as
  operator 3 =, function 1 ext.gbt_int4_consistent(internal, int, smallint, oid, internal), function 2 ext.gbt_int4_union(internal, internal),
  function 5 ext.gbt_int4_penalty(internal, internal, internal), function 6 ext.gbt_int4_picksplit(internal, internal),
  function 7 ext.gbt_int4_same(ext.gbtreekey8, ext.gbtreekey8, internal), storage ext.gbtreekey8;
alter operator family billing.mood_family using btree add operator 1 = (int, bigint);
comment on operator class billing.by_rank using btree is 'a class';
comment on operator family billing.mood_family using btree is 'a family';
alter operator family billing.mood_family using btree owner to keeper;

create cast (public.mood as int) with function public.mood_rank(public.mood) as assignment;
create cast (int as "Häus ""1"""."Pair") with inout;
create cast (billing.money_range as text) with inout as implicit;
comment on cast (public.mood as int) is 'a cast';

create function public.upper_text(text) returns text language internal immutable strict as 'upper';
create conversion billing."to latin" for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1;
comment on conversion billing."to latin" is 'a conversion';

create text search dictionary public."my simple" (template = simple, stopwords = english, accept = false);
create text search dictionary billing.english2 (template = snowball, language = english, stopwords = 'english');
create text search configuration public."my search" (copy = pg_catalog.english);
alter text search configuration public."my search" alter mapping for asciiword, word with public."my simple", billing.english2;
alter text search configuration public."my search" drop mapping for float;
create text search template billing.plain (init = dsimple_init, lexize = dsimple_lexize);
create text search parser billing.words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
comment on text search configuration public."my search" is 'a search';
comment on text search dictionary public."my simple" is 'words';
comment on text search template billing.plain is 'a template';
comment on text search parser billing.words is 'a parser';
alter text search configuration public."my search" owner to rw;

create access method heap2 type table handler heap_tableam_handler;
comment on access method heap2 is 'heap by another name';

create type public.number;
create function public.number_in(cstring) returns public.number language internal immutable strict as 'int4in';
create function public.number_out(public.number) returns cstring language internal immutable strict as 'int4out';
create type public.number (input = public.number_in, output = public.number_out, like = int4, category = 'N', delimiter = ';');
comment on type public.number is 'of the user''s own';
alter type public.mood owner to keeper;
alter domain public.percents owner to "Owner of ""Things""";
