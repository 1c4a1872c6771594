-- Reads of sealed segments and the journal's tail, for DuckDB; segments_duckdb.py runs them.
-- {entries} is the table expression over both. The column `at` is quoted: it is a word of DuckDB's own.

-- name: hourly
SELECT "at" // 3600000000 * 3600000000 AS hour,
       decision,
       count(*) AS decisions,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       CAST(quantile_cont(latency_us, 0.95) AS BIGINT) AS p95_us
FROM {entries}
WHERE kind = 'decision' AND "at" >= ? AND "at" < ?
GROUP BY hour, decision
ORDER BY hour, decision

-- name: kinds
SELECT kind, count(*) AS entries
FROM {entries}
GROUP BY kind
ORDER BY kind

-- name: filled
SELECT kind,
       status,
       count(*) AS entries,
       count(version) AS version,
       count(definition) AS definition,
       count(principal) AS principal,
       count(purpose) AS purpose,
       count(policy) AS policy,
       count(stage) AS stage,
       count(confidence) AS confidence,
       count(retention) AS retention,
       count(latency_us) AS latency_us,
       count(degraded) AS degraded,
       count(*) FILTER (WHERE fault = 'denied') AS denied,
       count(DISTINCT decision) AS decisions,
       min("at") AS first_at,
       max("at") AS last_at
FROM {entries}
GROUP BY kind, status
ORDER BY kind, status
