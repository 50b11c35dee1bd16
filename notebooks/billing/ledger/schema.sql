CREATE ROLE ledger_owner NOLOGIN;  -- owns the tables; nobody connects as it
CREATE ROLE billing_app LOGIN;     -- the service: reads and appends
CREATE ROLE sealer LOGIN;          -- reads the books, appends to the audit log

CREATE TABLE account (id text PRIMARY KEY, currency text NOT NULL,
    class text NOT NULL CHECK (class IN ('asset', 'liability', 'income', 'expense')),
    UNIQUE (id, currency));
CREATE TABLE period (month date PRIMARY KEY, closed_at timestamptz);
CREATE TABLE entry (  -- one business event
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL, ref text NOT NULL, CONSTRAINT happens_once UNIQUE (kind, ref),
    booked_on date NOT NULL,  -- in whose month's books
    effective_on date NOT NULL CONSTRAINT not_ahead CHECK (effective_on <= booked_on),
    reverses bigint CONSTRAINT reversed_once UNIQUE REFERENCES entry,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by name NOT NULL DEFAULT session_user,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id());
CREATE TABLE posting (  -- millionths of the currency: debit > 0, credit < 0
    entry bigint REFERENCES entry, account text, PRIMARY KEY (entry, account),
    currency text NOT NULL, amount bigint NOT NULL CHECK (amount <> 0),
    CONSTRAINT account_currency FOREIGN KEY (account, currency)
        REFERENCES account (id, currency));
CREATE TABLE wallet (account text PRIMARY KEY REFERENCES account,
    funds bigint NOT NULL DEFAULT 0 CONSTRAINT no_overdraft CHECK (funds >= 0));

CREATE FUNCTION month_is_open() RETURNS trigger SECURITY DEFINER
    SET search_path = public, pg_temp LANGUAGE plpgsql AS $$ BEGIN
    PERFORM FROM period WHERE month = date_trunc('month', NEW.booked_on::timestamp)
        AND closed_at IS NULL FOR SHARE;  -- closing waits until this entry has committed
    IF NOT FOUND THEN
        RAISE 'the books of % are closed', to_char(NEW.booked_on, 'YYYY-MM'); END IF;
    RETURN NEW; END $$;
CREATE FUNCTION move_wallet() RETURNS trigger SECURITY DEFINER
    SET search_path = public, pg_temp LANGUAGE plpgsql AS $$ BEGIN
    UPDATE wallet SET funds = funds - NEW.amount WHERE account = NEW.account;
    IF NOT FOUND THEN RAISE 'no wallet %', NEW.account; END IF;
    RETURN NULL; END $$;
CREATE FUNCTION has_postings() RETURNS trigger
    SET search_path = public, pg_temp LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM posting WHERE entry = NEW.id) THEN
        RAISE 'entry % has no postings', NEW.id; END IF;
    RETURN NULL; END $$;
-- --8<-- [start:rules]
CREATE FUNCTION entry_is_whole() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp AS $$ DECLARE off text; BEGIN  -- temporary tables last
    IF (SELECT xact FROM entry WHERE id = NEW.entry) <> pg_current_xact_id() THEN
        RAISE 'entry % is already in the books', NEW.entry; END IF;
    SELECT currency || ' ' || sum(amount) INTO off FROM posting
        WHERE entry = NEW.entry GROUP BY currency HAVING sum(amount) <> 0;
    IF FOUND THEN RAISE 'entry % is out of balance by %', NEW.entry, off; END IF;
    RETURN NULL; END $$;
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE '% is append-only: no %', TG_TABLE_NAME, TG_OP; END $$;

CREATE CONSTRAINT TRIGGER whole AFTER INSERT ON posting DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION entry_is_whole();  -- at commit
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    EXECUTE FUNCTION append_only();
DO $$ BEGIN EXECUTE format(
    'REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
GRANT INSERT ON account, posting TO billing_app;
GRANT INSERT (account) ON wallet TO billing_app;  -- a new wallet is empty
GRANT INSERT (kind, ref, booked_on, effective_on, reverses) ON entry TO billing_app;
-- --8<-- [end:rules]

CREATE TRIGGER open_month BEFORE INSERT ON entry
    FOR EACH ROW EXECUTE FUNCTION month_is_open();
CREATE TRIGGER wallets AFTER INSERT ON posting
    FOR EACH ROW WHEN (NEW.account LIKE 'wallet:%') EXECUTE FUNCTION move_wallet();
CREATE CONSTRAINT TRIGGER not_empty AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION has_postings();
GRANT SELECT ON ALL TABLES IN SCHEMA public TO billing_app, sealer;

CREATE VIEW violation AS
SELECT 'entry out of balance' AS invariant, entry::text AS culprit
    FROM posting GROUP BY entry, currency HAVING sum(amount) <> 0
UNION ALL SELECT 'entry without postings', id::text
    FROM entry e WHERE NOT EXISTS (SELECT FROM posting WHERE entry = e.id)
UNION ALL SELECT 'wallet is not its postings', account
    FROM wallet w WHERE -funds <> coalesce(
        (SELECT sum(amount) FROM posting p WHERE p.account = w.account), 0)
UNION ALL SELECT 'reversal is no mirror image', r.id::text
    FROM entry r WHERE reverses IS NOT NULL AND EXISTS (
        SELECT FROM posting WHERE entry IN (r.id, r.reverses)
        GROUP BY account HAVING sum(amount) <> 0)
UNION ALL SELECT 'recorded after its month was closed', id::text
    FROM entry JOIN period ON month = date_trunc('month', booked_on::timestamp)
        AND recorded_at > closed_at;

-- One row an entry, in the order of sealing. The copy is what was hashed.
CREATE TABLE audit (seq bigint PRIMARY KEY, entry bigint NOT NULL UNIQUE,
    record text NOT NULL, hash bytea NOT NULL);
-- Billing is stopped and resumed for a customer; the latest event counts.
CREATE TABLE billing_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL, event text NOT NULL CHECK (event IN ('hold', 'resume')),
    reason text NOT NULL);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_notify('billing', NEW.event || ' ' || NEW.customer || ': ' || NEW.reason);
    RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON billing_event FOR EACH ROW EXECUTE FUNCTION tell();
GRANT SELECT ON violation, audit, billing_event TO billing_app, sealer;
GRANT INSERT ON audit TO sealer;
GRANT INSERT (customer, event, reason) ON billing_event TO billing_app;

DO $$ DECLARE it record; BEGIN  -- all belongs to the role as which nobody connects
    FOR it IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE %I OWNER TO ledger_owner', it.name); END LOOP;
    FOR it IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO ledger_owner', it.name); END LOOP;
    ALTER VIEW violation OWNER TO ledger_owner; END $$;
