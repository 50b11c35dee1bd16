-- Each row must be 0, also under traffic: one statement reads one snapshot.
SELECT 'postings' AS account, sum(amount)::bigint AS off FROM posting
UNION ALL SELECT 'held', coalesce(sum(amount), 0)::bigint -
    (SELECT coalesce(sum(hold), 0) FROM call WHERE state = 'open')::bigint FROM posting WHERE account = 'held'
UNION ALL SELECT 'revenue', coalesce(sum(amount), 0)::bigint -
    (SELECT coalesce(sum(charge), 0) FROM call WHERE state = 'settled')::bigint FROM posting WHERE account = 'revenue'
UNION ALL SELECT 'provider', coalesce(sum(amount), 0)::bigint + %(reported)s FROM posting WHERE account = 'psp'
UNION ALL SELECT 'wallets', count(*) FROM wallet w WHERE balance <>
    (SELECT coalesce(sum(amount), 0) FROM posting p WHERE p.account = w.account)
