-- Who may do what, what is elsewhere, and what is of the database as a whole.
alter table public.runs enable row level security;
alter table public.runs force row level security;
create policy app_all on public.runs using (true);
create policy ro_read on public.runs as restrictive for select to ro, "role, with 'all' of \ it" using (tenant in (1, 2, 3) and name <> 'it''s');
create policy rw_write on public.runs for update to rw using (tenant = 1) with check (tenant = 1);
create policy rw_insert on public.runs for insert to public with check (tenant > 0);
comment on policy ro_read on public.runs is 'a policy';
alter table billing.invoices enable row level security;

grant select on public.runs to ro;
grant select, insert, update on public.runs to rw with grant option;
grant select (folded, amount), update (amount) on billing.invoices to ro;
revoke all on billing.invoices from keeper;
grant select on public.totals to public;
set role rw;
grant select on public.runs to granter;
reset role;
grant all on public.keyless to "role, with 'all' of \ it";
grant truncate, references, trigger on public.cache to granter;
-- from 17
grant maintain on public.cache to ro;
-- always
alter table public.cache owner to "Owner of ""Things""";

alter default privileges for role keeper in schema billing grant select on tables to ro;
alter default privileges for role keeper grant execute on functions to rw with grant option;
alter default privileges for role "Owner of ""Things""" revoke execute on functions from public;
alter default privileges for role keeper in schema billing grant usage on sequences to ro;
alter default privileges for role keeper grant usage on types to ro;
alter default privileges for role keeper grant usage on schemas to ro;

create foreign data wrapper "own wrapper" options (debug 'true');
create server elsewhere type 'postgres' version '9' foreign data wrapper postgres_fdw options (host 'localhost', dbname 'it''s');
create server files foreign data wrapper file_fdw;
create user mapping for ro server elsewhere options (user 'me', password 'secret of the mapping');
create user mapping for public server elsewhere;
create foreign table public.far (id int options (column_name 'ID') not null, name text collate "C" default 'x', check (id > 0)) server elsewhere options (table_name 'near');
create foreign table public.lines (line text) server files options (filename '/dev/null', format 'text');
grant usage on foreign server elsewhere to ro;
grant usage on foreign data wrapper postgres_fdw to keeper;
comment on server elsewhere is 'a server';
comment on foreign table public.far is 'a foreign table';
alter server elsewhere owner to keeper;
comment on foreign data wrapper "own wrapper" is 'a wrapper';

select lo_create(4200001), lo_create(4200002), lo_create(4200003);
select lo_put(4200001, 0, 'small object'), lo_put(4200002, 3000000, 'sparse');
grant select on large object 4200001 to ro;
grant all on large object 4200002 to rw with grant option;
comment on large object 4200001 is 'a large object';
alter large object 4200003 owner to keeper;

create function public.watch() returns event_trigger language plpgsql as 'begin return; end';
create event trigger watch on ddl_command_end when tag in ('CREATE TABLE', 'DROP TABLE') execute function public.watch();
create event trigger sleeping on sql_drop execute function public.watch();
alter event trigger sleeping disable;
comment on event trigger watch is 'an event trigger';

create publication "all of it" for all tables with (publish = 'insert, update');
create publication "some" for table public.runs, public.animals;
-- from 13
create publication via_root for table public.events with (publish_via_partition_root);
-- from 15
create publication filtered for table public.parents (id) where (id > 5), public.followers;
create publication of_schema for tables in schema billing;
-- always
comment on publication "some" is 'a publication';
