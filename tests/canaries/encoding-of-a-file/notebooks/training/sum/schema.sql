CREATE TABLE a (b int);
-- жа
