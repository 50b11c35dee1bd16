"""SQL that the notebook runs on purpose: mistakes in the schema, and their repair."""

# A view of a superuser's, two indexes and a reference without the tenant, an open table that the
# service owns, a function of a superuser's.
MISTAKES = """
CREATE VIEW titles AS SELECT title FROM document;
CREATE UNIQUE INDEX title_taken ON document (title);
CREATE UNIQUE INDEX document_number ON document (id);
CREATE TABLE share (
    tenant   text DEFAULT current_tenant(),
    document bigint REFERENCES document (id)
);
GRANT SELECT ON titles TO app;
ALTER TABLE share OWNER TO app;
CREATE FUNCTION peek() RETURNS bigint SECURITY DEFINER LANGUAGE sql
    AS 'SELECT count(*) FROM document'
"""

BYPASS = "ALTER ROLE app BYPASSRLS"

REPAIR = """
DROP TABLE share; DROP FUNCTION peek; DROP INDEX title_taken, document_number;
ALTER VIEW titles SET (security_invoker = on);
ALTER ROLE app NOBYPASSRLS
"""

ALONE = [  # a slip, its repair, and the object that it is found in
    (
        "ALTER TABLE document NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE document FORCE ROW LEVEL SECURITY",
        "document",
    ),
    ("ALTER ROLE app SUPERUSER", "ALTER ROLE app NOSUPERUSER", "app"),
]
