CREATE EXTENSION vector;
CREATE ROLE app LOGIN;  -- what the service connects as: owns nothing, bypasses nothing

-- --8<-- [start:policy]
-- Unset is NULL, but '' once a transaction has set it: either way no tenant, so no rows.
CREATE FUNCTION current_tenant() RETURNS text STABLE LANGUAGE sql
    AS $$ SELECT nullif(current_setting('app.tenant', true), '') $$;

CREATE TABLE document (
    tenant text NOT NULL DEFAULT current_tenant(),
    id     bigint GENERATED ALWAYS AS IDENTITY,
    title  text NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, title)  -- UNIQUE (title) would tell everyone which titles exist
);
CREATE TABLE chunk (
    tenant    text   NOT NULL DEFAULT current_tenant(),
    document  bigint NOT NULL,
    embedding vector(16) NOT NULL,
    FOREIGN KEY (tenant, document) REFERENCES document (tenant, id)  -- own only
);

ALTER TABLE document ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON document USING (tenant = current_tenant());
CREATE POLICY own_rows ON chunk USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON document, chunk TO app;
-- --8<-- [end:policy]

CREATE INDEX ON chunk (tenant, document);
