"""SQL that the notebook runs on purpose: mistakes in the schema, and rows for a search."""

VIEW = """
CREATE VIEW titles AS SELECT title FROM document;
GRANT SELECT ON titles TO app
"""

OTHER_OWNER = """
CREATE ROLE migrator LOGIN;
GRANT CREATE ON SCHEMA public TO migrator;
ALTER TABLE document OWNER TO migrator
"""

# Two indexes and a reference that leave the tenant out, and a table that nobody protected.
LEAKS = """
CREATE UNIQUE INDEX title_taken ON document (title);
CREATE UNIQUE INDEX document_number ON document (id);
CREATE TABLE share (
    tenant   text DEFAULT current_tenant(),
    document bigint REFERENCES document (id)
);
GRANT INSERT ON share TO app
"""

ADD = "INSERT INTO document (title) VALUES (%s)"
SHARE = "INSERT INTO share (document) VALUES (%s)"

REPAIR = "DROP TABLE share; DROP VIEW titles; DROP INDEX title_taken, document_number"

# 1,000 documents, 2 % of them acme's, each with a random vector.
VECTORS = """
INSERT INTO document (tenant, title)
    SELECT 'other ' || i % 98, 'text ' || i FROM generate_series(1, 980) i;
INSERT INTO document (tenant, title)
    SELECT 'acme', 'acme text ' || i FROM generate_series(1, 18) i;
SELECT setseed(0.5);
INSERT INTO chunk
    SELECT tenant, id,
           (SELECT array_agg(random()) FROM generate_series(1, 16) WHERE id > 0)::vector
    FROM document WHERE tenant <> 'blue';
CREATE INDEX chunk_hnsw ON chunk USING hnsw (embedding vector_l2_ops);
ANALYZE
"""

NEAREST = """
SELECT tenant, document FROM chunk
ORDER BY embedding <-> array_fill(0.5, ARRAY[16])::vector LIMIT 10
"""

HNSW = "SET LOCAL enable_sort = off"  # the plan that a large tenant gets by itself
PLANS = {
    "exact, by the tenant's index": "",
    "HNSW": HNSW,
    "HNSW, iterative scan": HNSW + "; SET LOCAL hnsw.iterative_scan = strict_order",
}
