CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE api_key (digest bytea PRIMARY KEY, customer int NOT NULL REFERENCES customer);
CREATE TABLE worker (url text PRIMARY KEY, model text NOT NULL);
CREATE TABLE price (version int, model text, unit text, rate bigint CHECK (rate >= 0),  -- u$ per million units
                    PRIMARY KEY (version, model, unit));
-- --8<-- [start:postings]
CREATE TABLE call (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customer, key text NOT NULL,
                   request bytea NOT NULL, model text NOT NULL, price_version int NOT NULL, hold bigint NOT NULL,
                   state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'failed')),
                   usage jsonb, charge bigint CHECK (charge BETWEEN 0 AND hold), response jsonb);
CREATE UNIQUE INDEX one_live_call ON call (customer, key) WHERE state <> 'failed';

-- The ledger: every transfer has postings that add up to zero.
CREATE TABLE wallet (account text PRIMARY KEY, balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0));
CREATE TABLE transfer (id serial PRIMARY KEY, kind text, ref text, at timestamptz DEFAULT now(), UNIQUE (kind, ref));
CREATE TABLE posting (transfer int NOT NULL REFERENCES transfer, account text NOT NULL, amount bigint NOT NULL);

CREATE FUNCTION move_wallet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE wallet SET balance = balance + NEW.amount WHERE account = NEW.account;
    IF NOT FOUND AND NEW.account LIKE 'wallet:%' THEN RAISE 'no such wallet'; END IF;
    RETURN NULL; END $$;
CREATE FUNCTION must_balance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT sum(amount) FROM posting WHERE transfer = NEW.transfer) <> 0 THEN RAISE 'unbalanced entry'; END IF;
    IF (SELECT at FROM transfer WHERE id = NEW.transfer) <> now() THEN RAISE 'old transfer'; END IF;  -- now(): this transaction
    RETURN NULL; END $$;
CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the ledger is append-only'; END $$;

CREATE TRIGGER wallets AFTER INSERT ON posting FOR EACH ROW EXECUTE FUNCTION move_wallet();
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT ON posting DEFERRABLE INITIALLY DEFERRED  -- checked at commit
    FOR EACH ROW EXECUTE FUNCTION must_balance();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting EXECUTE FUNCTION frozen();
CREATE TRIGGER keep_transfers BEFORE UPDATE OR DELETE ON transfer EXECUTE FUNCTION frozen();
CREATE TRIGGER only_by_postings BEFORE UPDATE ON wallet WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION frozen();
-- --8<-- [end:postings]

-- --8<-- [start:audit]
CREATE TABLE provider_report (event text PRIMARY KEY, amount bigint NOT NULL);  -- fetched from the payment provider
-- Each row must be 0, also under traffic: one statement reads one snapshot.
CREATE VIEW audit AS WITH balance AS (SELECT account, sum(amount)::bigint AS total FROM posting GROUP BY account),
    due AS (SELECT 'held' AS account, coalesce(sum(hold), 0)::bigint AS total FROM call WHERE state = 'open'
            UNION ALL SELECT 'revenue', coalesce(sum(charge), 0)::bigint FROM call WHERE state = 'settled'
            UNION ALL SELECT 'psp', -coalesce(sum(amount), 0)::bigint FROM provider_report)
SELECT account, coalesce(balance.total, 0) - due.total AS off FROM due LEFT JOIN balance USING (account)
UNION ALL SELECT 'wallets', count(*) FROM wallet w LEFT JOIN balance b USING (account) WHERE w.balance <> coalesce(b.total, 0)
UNION ALL SELECT 'postings', sum(total)::bigint FROM balance;
-- --8<-- [end:audit]
