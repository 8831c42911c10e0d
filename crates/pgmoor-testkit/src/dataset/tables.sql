-- Tables with all that belongs to them.
create sequence billing.tickets as bigint start 1000 increment by -5 minvalue -9000 maxvalue 1000 cache 3 cycle;
create sequence public.small as smallint;
alter sequence public.small owner to rw;
grant usage on sequence billing.tickets to ro, rw;
comment on sequence billing.tickets is 'counts down';
-- from 15
create unlogged sequence public.fleeting;
-- always

create table public.runs (
  id bigint generated always as identity (start with 10 increment by 2 minvalue 2 cache 5),
  tenant int not null default 1,
  name text not null default 'it''s' collate "C",
  kind varchar(10) constraint "kind's kind" check (kind in ('a', 'b', 'c''')),
  status public.mood default 'sad',
  payload jsonb not null default '{}'::jsonb,
  blob bytea,
  score double precision default (random() * 0),
  share public.percent,
  tags text[] default array['x', 'y'] not null,
  place point,
  valid tstzrange,
  created timestamptz not null default '2024-01-01 00:00+00',
  changed timestamptz,
  title text generated always as (upper(name) || '!') stored,
  "Hostile ""column""; drop" int,
  dropped int,
  constraint runs_pkey primary key (id) with (fillfactor = 80),
  constraint "unique, later" unique (tenant, name) deferrable initially deferred,
  constraint score_is_positive check (score >= 0) no inherit
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false);
alter table public.runs drop column dropped;
alter table public.runs add constraint "not for all" check (tenant > 0) not valid;
alter table public.runs alter column payload set storage external, alter column name set statistics 500,
  alter column tenant set (n_distinct = -0.5);
alter table public.runs add exclude using gist (tenant with =, valid with &&) where (tenant > 1000000) deferrable;
create index "runs by ""kind""" on public.runs using btree (kind varchar_pattern_ops desc nulls last, lower(name)) include (tenant) with (fillfactor = 70) where status <> 'sad';
create index runs_payload on public.runs using gin (payload jsonb_path_ops) with (fastupdate = off);
create index runs_name on public.runs using gin (name public.gin_trgm_ops);
create index runs_mood on public.runs (status billing.by_rank);
create index runs_expression on public.runs ((tenant + 1), (payload ->> 'k') collate "Häus ""1""".german);
alter index public.runs_expression alter column 1 set statistics 300;
create unique index runs_identity on public.runs (created, id);
alter table public.runs replica identity using index runs_identity;
alter table public.runs cluster on runs_expression;
comment on table public.runs is 'what ran';
comment on column public.runs."Hostile ""column""; drop" is 'a "name"; -- of ''its'' own';
comment on constraint runs_pkey on public.runs is 'the key';
comment on index public.runs_payload is 'an index';
comment on constraint "unique, later" on public.runs is 'deferred';
create statistics public.runs_stats (ndistinct, dependencies, mcv) on tenant, kind from public.runs;
comment on statistics public.runs_stats is 'statistics';
-- from 13
alter statistics public.runs_stats set statistics 700;
-- from 14
create statistics billing.runs_expression (mcv) on (tenant + 1), lower(name) from public.runs;
alter table public.runs alter column blob set compression pglz;
-- from 15
create unique index runs_nulls on public.runs (kind, changed, id) nulls not distinct;
-- always

create table billing.invoices (
  id serial primary key,
  run bigint references public.runs on delete set null on update cascade deferrable initially deferred,
  parent int,
  amount numeric(12, 2) not null,
  counter int default nextval('billing.tickets') + public.mood_rank('sad'),
  owner "Häus ""1"""."Pair",
  number public.number,
  folded ext.citext collate public."no case",
  document xml,
  whenever billing.money_range,
  constraint self foreign key (parent) references billing.invoices (id) match full on delete restrict
);
alter table billing.invoices add constraint late foreign key (counter) references billing.invoices (id) not valid;
alter table billing.invoices replica identity full;
alter table billing.invoices owner to keeper;
alter sequence billing.invoices_id_seq increment by 10;
create index on billing.invoices (folded);
create index invoices_hash on billing.invoices using hash (amount);
create index invoices_brin on billing.invoices using brin (id) with (pages_per_range = 16);

create unlogged table public.cache (key text primary key, value text) with (autovacuum_enabled = false);
alter table public.cache replica identity nothing;
create table public.keyless (a int, b text) using heap2;
create table "Häus ""1"""."select" ("from" int primary key, "x y" int, "a.b" text, "ümlaut" text);
create table public.large (id int primary key, value bytea);
alter table public.large alter column value set storage external;
create table public.traces (
  id bigint primary key, run bigint, session uuid, at timestamptz, level smallint, latency double precision, note text, payload jsonb, raw bytea);
create index traces_run on public.traces (run, at);
create index traces_session on public.traces (session);
create index traces_late on public.traces (at) where level > 3;
create type public.row_form as (a int, b text);
create table public.typed of public.row_form (a with options not null primary key, b with options default 'b');
create table public.nothing ();

-- Inheritance.
create table public.animals (id int not null default 1, name text default 'none', weight numeric check (weight > 0));
create table public.owned (owner text not null);
create table public.dogs (name text default 'dog', breed text) inherits (public.animals, public.owned);
alter table public.dogs alter column weight set not null;
create table public.late_cats (claws int, id int not null, name text, weight numeric check (weight > 0));
alter table public.late_cats add constraint animals_weight_check check (weight > 0);
alter table public.late_cats inherit public.animals;

-- Partitions: list, then range with a default, then hash.
create table public.events (
  id bigint generated by default as identity,
  region text not null,
  at date not null,
  note text default 'parent',
  amount int check (amount < 1000000),
  primary key (region, at, id)
) partition by list (region);
create table public.events_eu (note text default 'child', id bigint not null, at date not null, region text not null, amount int check (amount < 1000000)) ;
alter table public.events_eu add constraint events_amount_check check (amount < 1000000);
alter table public.events attach partition public.events_eu for values in ('eu', 'it''s');
create table public.events_us partition of public.events for values in ('us', null) partition by range (at, id);
create table public.events_us_old partition of public.events_us for values from (minvalue, minvalue) to ('2024-01-01', 0);
create table public.events_us_rest partition of public.events_us default partition by hash (id);
create table public.events_us_0 partition of public.events_us_rest for values with (modulus 2, remainder 0);
create table billing.events_us_1 partition of public.events_us_rest for values with (modulus 2, remainder 1);
create table public.events_other partition of public.events default;
create index events_note on public.events (note);
create index events_alone on public.events_eu (amount);
create table public.followers (id int primary key, region text, at date, event bigint,
  foreign key (region, at, event) references public.events (region, at, id));
create table public.parents (id bigint primary key);
alter table public.events add constraint events_parents foreign key (amount) references public.parents (id) on delete cascade;

-- from 18
create table public.newest (id int constraint "must be" not null, a int, b int generated always as (a * 2) virtual,
  during daterange not null, constraint newest_period unique (id, during without overlaps),
  constraint lax check (a > 0) not enforced);
alter table public.newest add constraint "a there" not null a not valid;
alter table public.newest add constraint "own" not null b no inherit;
-- always

-- Views, rules, triggers.
create view public.busy as select id, name, r.tenant from public.runs r where r.status <> 'sad' and name like 'a%' with local check option;
create view public.totals (tenant, n, "Sum") with (security_barrier) as
  select r.tenant, count(*), sum(i.amount) from public.runs r left join billing.invoices i on i.run = r.id group by r.tenant having count(*) > 0;
create view public.by_key as select id, name, count(*) over () from public.runs group by id;
create view public.again as select b.*, t.n from public.busy b join public.totals t using (tenant);
create view "Häus ""1""".series as select x.a, extract(year from d)::int as y, substring(x.b from 1 for 2) as s, d at time zone 'UTC' as z
  from public.pairs(3) x cross join (values (timestamptz '2024-01-01')) v(d) where x.b in ('1', '2');
create recursive view public.deep (n) as values (1) union all select n + 1 from deep where n < 10;
alter view public.busy alter column tenant set default 9;
comment on view public.busy is 'a view';
comment on column public.busy.name is 'a column of a view';
-- from 15
create view public.invoked with (security_invoker = true) as select * from public.runs;
-- always
alter view public.totals owner to keeper;
create materialized view public.summary with (fillfactor = 50) as select tenant, count(*) as n, max(name) as name from public.runs group by tenant;
create unique index summary_key on public.summary (tenant);
create materialized view billing.unpopulated as select 1 as one with no data;
create materialized view public.of_summary as select n from public.summary;
comment on materialized view public.summary is 'a materialized view';
alter materialized view public.summary alter column name set statistics 50;

create rule keep as on delete to public.keyless where old.a = 1 do instead nothing;
create rule also as on insert to public.keyless do also update public.cache set value = new.b where key = new.b;
create rule view_in as on insert to public.totals do instead insert into public.parents values (new.n);
alter table public.keyless disable rule keep;
comment on rule also on public.keyless is 'a rule';
create trigger touch before insert or update of name, tenant on public.runs for each row when (new.name <> 'x''y') execute function public.touch('a', 'b''c');
create trigger always after insert on public.runs for each row execute function public.checked();
alter table public.runs enable always trigger always;
create trigger off after delete on public.runs execute function public.checked();
alter table public.runs disable trigger off;
create trigger replicated after truncate on public.runs execute function public.checked();
alter table public.runs enable replica trigger replicated;
create constraint trigger lately after insert or update on billing.invoices from public.runs deferrable initially deferred for each row execute function public.checked();
create trigger transition after insert on public.keyless referencing new table as new_rows for each statement execute function public.noted();
create trigger instead instead of delete on public.totals for each row execute function public.checked();
create trigger each_event after insert on public.events for each row execute function public.checked();
alter table public.events_eu disable trigger each_event;
comment on trigger touch on public.runs is 'a trigger';
