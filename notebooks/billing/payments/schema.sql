-- --8<-- [start:states]
CREATE TABLE wallet (
    account text   PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0  -- micro-dollars; a dispute may push it below zero
);

-- The values of an enum are ordered: greatest() never moves a state backwards.
CREATE TYPE payment_state AS ENUM (
    'created', 'processing', 'failed', 'succeeded',
    'refunded', 'disputed', 'dispute_lost', 'dispute_won'
);

CREATE TABLE payment (
    id       text          PRIMARY KEY,  -- also its idempotency key at the provider
    account  text          NOT NULL REFERENCES wallet (account),
    amount   bigint        NOT NULL CHECK (amount > 0),  -- cents
    currency text          NOT NULL DEFAULT 'usd',
    charge   text          UNIQUE,  -- the provider's reference
    state    payment_state NOT NULL DEFAULT 'created',
    refunded bigint        NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    code     text          NOT NULL DEFAULT ''  -- why it was declined
);

CREATE TABLE inbox (
    event       text        PRIMARY KEY,  -- a second delivery changes nothing
    body        jsonb       NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome     text        -- NULL: to do; 'done'; or why a person must look
);

CREATE TABLE entry (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment text   NOT NULL REFERENCES payment (id),
    kind    text   NOT NULL CHECK (kind IN ('topup', 'refund', 'dispute')),
    amount  bigint NOT NULL CHECK (amount <> 0)  -- micro-dollars
);
CREATE UNIQUE INDEX credited_once ON entry (payment) WHERE kind = 'topup';

CREATE TABLE outbox (
    payment text    NOT NULL,
    message text    NOT NULL,
    sent    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (payment, message)
);
-- --8<-- [end:states]

CREATE TABLE invoice (
    id           text    PRIMARY KEY,
    account      text    NOT NULL REFERENCES wallet (account),
    amount       bigint  NOT NULL CHECK (amount > 0),  -- cents
    card         text    NOT NULL,
    due          integer NOT NULL,  -- day
    attempts     integer NOT NULL DEFAULT 0,
    next_attempt integer,           -- day; NULL: not until the customer acts
    paid         integer            -- day
);

-- --8<-- [start:differences]
CREATE TABLE settlement (  -- the provider's file, as it came
    charge  text          PRIMARY KEY,
    payment text          NOT NULL,
    gross   numeric(12,2) NOT NULL,
    fee     numeric(12,2) NOT NULL,
    net     numeric(12,2) NOT NULL CHECK (net = gross - fee)
);

CREATE VIEW differences AS
WITH file AS (
    SELECT payment, count(*) AS charges, sum(gross) AS gross, sum(fee) AS fee
    FROM settlement GROUP BY payment
), books AS (
    SELECT payment.id AS payment, round(payment.amount / 100.0, 2) AS ordered,
           round(coalesce(sum(entry.amount), 0) / 1000000, 2) AS credited
    FROM payment LEFT JOIN entry ON entry.payment = payment.id AND kind = 'topup'
    GROUP BY payment.id
), compared AS (
    SELECT payment, ordered, gross, credited, fee, CASE
        WHEN ordered IS NULL THEN 'collected, no such payment'
        WHEN gross IS NULL AND credited > 0 THEN 'credited, not collected'
        WHEN charges > 1 THEN 'collected twice'
        WHEN gross <> ordered THEN 'amount differs'
        WHEN gross > 0 AND credited = 0 THEN 'collected, not credited'
        WHEN fee <> round(gross * 0.029 + 0.30, 2) THEN 'fee differs'
    END AS finding
    FROM file FULL JOIN books USING (payment)
)
SELECT payment, finding, ordered, gross, credited, fee
FROM compared WHERE finding IS NOT NULL;
-- --8<-- [end:differences]
