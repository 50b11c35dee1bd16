-- What lets one tenant see another's rows in spite of a policy; no rows if all is well.
-- --8<-- [start:tables]
WITH scoped AS (  -- tables of tenants' rows, and the number of their tenant column
    SELECT c.*, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'tenant' AND c.relkind IN ('r', 'p'))
SELECT relname::text AS object, 'row security is not enabled and forced' AS finding
FROM scoped WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT i.indexrelid::regclass::text, 'a unique index without the tenant tells on others'
FROM scoped s JOIN pg_index i ON i.indrelid = s.oid
WHERE i.indisunique AND NOT s.attnum = ANY (i.indkey)
-- --8<-- [end:tables]
UNION ALL
SELECT f.conname::text, 'a foreign key without the tenant reaches rows of others'
FROM scoped s JOIN pg_constraint f ON f.conrelid = s.oid AND f.contype = 'f'
WHERE f.confrelid IN (SELECT oid FROM scoped) AND NOT s.attnum = ANY (f.conkey)
UNION ALL
SELECT relname::text, 'a view reads with the rights of its owner'
FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
AND NOT coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on}'
UNION ALL
SELECT proname::text, 'a function runs with the rights of its owner'
FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
UNION ALL
SELECT rolname::text, 'the service''s role bypasses row security'
FROM pg_roles WHERE rolname = 'app' AND (rolsuper OR rolbypassrls)
UNION ALL
SELECT relname::text, 'the service''s role owns the table and can drop its policy'
FROM scoped WHERE relowner::regrole::text = 'app';
