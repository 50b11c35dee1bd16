-- All amounts are integer micro-dollars (USD 1 = 1,000,000).
CREATE TABLE account (
    id      text   PRIMARY KEY,
    balance bigint NOT NULL,
    held    bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    CHECK (balance >= held)
);

CREATE TABLE call (
    account     text        NOT NULL REFERENCES account (id),
    key         text        NOT NULL,
    fingerprint text        NOT NULL,
    attempt     integer     NOT NULL DEFAULT 1,
    state       text        NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released')),
    hold        bigint      NOT NULL CHECK (hold > 0),
    charge      bigint      CONSTRAINT charge_within_hold CHECK (charge BETWEEN 0 AND hold),
    lease_until timestamptz NOT NULL,
    PRIMARY KEY (account, key),
    CHECK ((state = 'settled') = (charge IS NOT NULL))
);

CREATE TABLE usage (
    account text    NOT NULL,
    key     text    NOT NULL,
    attempt integer NOT NULL,
    input   integer NOT NULL CHECK (input >= 0),
    cached  integer NOT NULL CHECK (cached BETWEEN 0 AND input),
    output  integer NOT NULL CHECK (output >= 0),
    finish  text    NOT NULL,
    reply   text    NOT NULL,
    PRIMARY KEY (account, key, attempt),
    FOREIGN KEY (account, key) REFERENCES call (account, key)
);

CREATE TABLE ledger (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text   NOT NULL REFERENCES account (id),
    kind    text   NOT NULL CHECK (kind IN ('topup', 'charge')),
    key     text   NOT NULL,
    amount  bigint NOT NULL CHECK ((kind = 'topup') = (amount > 0)),
    UNIQUE (account, kind, key)
);
