CREATE TABLE ledger (
  amount bigintt
);
