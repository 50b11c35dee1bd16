"""SQL that the notebook runs on purpose: mistakes in the schema, and their repair."""

# A view of a superuser's, two indexes and a reference without the tenant, an open table.
MISTAKES = """
CREATE VIEW titles AS SELECT title FROM document;
CREATE UNIQUE INDEX title_taken ON document (title);
CREATE UNIQUE INDEX document_number ON document (id);
CREATE TABLE share (
    tenant   text DEFAULT current_tenant(),
    document bigint REFERENCES document (id)
);
GRANT SELECT ON titles TO app
"""

REPAIR = "DROP TABLE share; DROP VIEW titles; DROP INDEX title_taken, document_number"
