CREATE ROLE app LOGIN;  -- what the service connects as: owns nothing, bypasses nothing

-- Unset is NULL, but '' once a transaction has set it: either way no tenant, so no rows.
CREATE FUNCTION current_tenant() RETURNS text STABLE LANGUAGE sql
    AS $$ SELECT nullif(current_setting('app.tenant', true), '') $$;

-- --8<-- [start:policy]
CREATE TABLE document (
    tenant text NOT NULL DEFAULT current_tenant(),  -- reads the setting app.tenant
    id     bigint GENERATED ALWAYS AS IDENTITY,
    title  text NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, title)  -- UNIQUE (title) would tell everyone which titles exist
);
ALTER TABLE document ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON document USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON document TO app;
-- --8<-- [end:policy]
