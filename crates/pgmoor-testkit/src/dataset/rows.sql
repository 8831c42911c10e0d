-- Rows, each a function of its number: {rows} of them in the largest table, and one value of {bytes} bytes.
set session_replication_role = replica;
insert into public.runs (tenant, name, kind, status, payload, blob, score, share, tags, place, valid, created, "Hostile ""column""; drop")
  overriding user value
  select i % 7 + 1, 'run ' || i, (array['a', 'b', 'c''', null])[i % 4 + 1], (enum_range(null::public.mood))[i % 5 + 1],
    jsonb_build_object('k', md5(i::text), 'n', i, 'null', null, 'deep', jsonb_build_array(i, E'\u00e4\n\\', jsonb_build_object('x', i / 7.0))),
    decode(md5(i::text), 'hex'), case i % 5 when 0 then null when 1 then float8 'infinity' else i / 3.0 end, (i % 100)::numeric,
    array['t' || i % 3, 'it''s', null, '{",\\'], point(i, -i), tstzrange('2024-01-01'::timestamptz + i * interval '1 minute', null),
    '2024-01-01'::timestamptz + i * interval '1 second', nullif(i % 9, 0)
  from generate_series(1, {rows} / 100 + 50) i;
insert into public.traces
  select i, i % 1000, md5((i % 5000)::text)::uuid, '2024-01-01'::timestamptz + i * interval '37 seconds', i % 5, i * 0.7,
    case when i % 50 > 0 then 'note ' || md5(i::text) || repeat(' word', (i % 40)::int) end,
    jsonb_build_object('id', i, 'input', repeat(md5(i::text), 4),
      'output', repeat(md5((i * 7)::text), (i % 12)::int), 'tokens', i % 4096, 'tags', jsonb_build_array('a', i % 10)),
    decode(repeat(md5((i + 5)::text), 6), 'hex')
  from generate_series(1::bigint, {rows}) i;
insert into public.events (id, region, at, note, amount)
  select i, (array['eu', 'us', 'it''s', 'asia'])[i % 4 + 1], '2023-06-01'::date + (i % 500)::int, 'event ' || i, i % 1000
  from generate_series(1, {rows} / 10 + 20) i;
insert into public.parents select i from generate_series(0, 999) i;
insert into public.followers select id, region, at, id from public.events where id % 10 = 0;
insert into billing.invoices (run, amount, owner, number, folded, document, whenever)
  select id, id * 1.5, row(id, 'b', array['sad', 'it''s ok']::public.mood[])::"Häus ""1"""."Pair", '7', 'Folded' || id, '<a>x</a>', numrange(1, id + 2)::text::billing.money_range
  from public.runs where id % 3 = 0;
insert into public.cache select 'key ' || i, repeat('v', i % 90) from generate_series(1, 100) i;
insert into public.keyless select i % 3, 'twice' from generate_series(1, 30) i;
insert into "Häus ""1"""."select" values (1, null, E'a\tb\\', 'ü'), (2, 2, '\N', '');
insert into public.typed values (1, 'b'), (2, null);
insert into public.dogs (id, name, weight, breed, owner) values (1, 'Rex', 10, 'x', 'o');
insert into public.late_cats values (9, 2, 'Tom', 4);
insert into public.animals values (3, 'Ant', 0.001);
insert into public.large values (1, decode(repeat(md5('1') || md5('2'), {bytes} / 32), 'hex'));
insert into public.large select 2, '';
select nextval('billing.tickets'), nextval('billing.tickets'), nextval('public.small'), nextval('public.events_id_seq');
-- from 18
insert into public.newest values (1, -1, default, daterange('2024-01-01', '2024-02-01'));
-- always
reset session_replication_role;
refresh materialized view public.summary;
refresh materialized view public.of_summary;
analyze;
