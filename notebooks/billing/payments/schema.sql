CREATE TABLE wallet (
    account text   PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0  -- micro-dollars; a dispute may push it below zero
);

CREATE TABLE payment (
    id       text   PRIMARY KEY,  -- also its idempotency key at the provider
    account  text   NOT NULL REFERENCES wallet (account),
    amount   bigint NOT NULL CHECK (amount > 0),  -- cents
    currency text   NOT NULL DEFAULT 'usd',
    intent   text   UNIQUE  -- the provider's reference; a charge each time the card is tried
);

CREATE TABLE inbox (
    event       text        PRIMARY KEY,  -- a second delivery changes nothing
    body        jsonb       NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome     text        -- NULL: to do; 'done'; or why a person must look
);
CREATE TABLE movement (  -- a charge, a refund or a dispute, under the provider's id
    id      text   PRIMARY KEY,
    payment text   NOT NULL REFERENCES payment (id),
    kind    text   NOT NULL,
    amount  bigint NOT NULL CHECK (amount > 0),  -- cents; of a part, if it is over a part
    rank    int    NOT NULL  -- how far its state has come
);
-- --8<-- [start:entry]
CREATE TABLE entry (
    payment text   NOT NULL REFERENCES payment (id),
    source  text   NOT NULL,  -- the movement
    kind    text   NOT NULL,
    amount  bigint NOT NULL CHECK (amount <> 0)  -- micro-dollars
);
CREATE UNIQUE INDEX credited_once ON entry (payment) WHERE kind = 'charge';
-- --8<-- [end:entry]

CREATE TABLE outbox (
    payment text    NOT NULL,
    message text    NOT NULL,
    sent    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (payment, message)
);

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

CREATE TABLE settlement (  -- the provider's file, as it came
    id      text          PRIMARY KEY,
    payment text          NOT NULL,
    kind    text          NOT NULL,  -- charge, refund, refund failed, dispute, dispute won
    gross   numeric(12,2) NOT NULL,
    fee     numeric(12,2) NOT NULL,
    net     numeric(12,2) NOT NULL CHECK (net = gross - fee)
);

CREATE VIEW differences AS
WITH file AS (
    SELECT payment, count(*) FILTER (WHERE kind = 'charge') AS charges, sum(gross) AS gross,
           sum(fee) AS fee, sum(CASE kind WHEN 'charge' THEN round(gross * 0.029 + 0.30, 2)
                                          WHEN 'dispute' THEN 15 ELSE 0 END) AS agreed
    FROM settlement GROUP BY payment
), books AS (
    SELECT payment, round(sum(amount) / 1000000, 2) AS booked FROM entry GROUP BY payment
)
SELECT payment, CASE
    WHEN charges > 1 THEN 'collected twice'
    WHEN booked IS NULL THEN 'collected, not credited'
    WHEN gross IS NULL THEN 'credited, not collected'
    WHEN gross <> booked THEN 'amounts differ'
    ELSE 'fee differs' END AS finding, gross, booked, fee
FROM file FULL JOIN books USING (payment)
WHERE (gross, fee) IS DISTINCT FROM (booked, agreed);
