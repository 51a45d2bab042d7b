-- From raw card transactions to rows a model can train on: joined with the merchant, missing
-- values filled, amounts on a comparable scale, and each card's habits beside each payment.
-- `raw` is incremental: a run sees the transactions that arrived since the last one.
INSERT INTO processed
WITH
typical AS (
    SELECT m.category AS category, avg(t.amount) AS amount
    FROM raw t
    JOIN merchants m ON t.merchant_id = m.merchant_id
    GROUP BY m.category
),
habits AS (
    SELECT
        card_id,
        count(*) AS payments,
        avg(amount) AS amount_mean,
        stddev(amount) AS amount_deviation,
        count(DISTINCT merchant_id) AS merchants
    FROM raw
    GROUP BY card_id
)
SELECT
    t.transaction_id,
    t.card_id,
    t.event_time,
    CAST(hour(t.event_time) AS integer) AS hour_of_day,
    m.category,
    CAST(m.risk_score AS double) AS merchant_risk,
    coalesce(t.amount, typical.amount) AS amount,
    t.amount IS NULL AS amount_was_missing,
    ln(1 + coalesce(t.amount, typical.amount)) AS amount_log,
    coalesce((coalesce(t.amount, typical.amount) - habits.amount_mean) / nullif(habits.amount_deviation, 0), 0)
        AS amount_vs_card,
    coalesce(t.country, 'unknown') AS country,
    coalesce(t.country <> m.merchant_country, false) AS is_abroad,
    t.channel,
    habits.payments AS card_payments,
    coalesce(habits.amount_mean, typical.amount) AS card_amount_mean,
    habits.merchants AS card_merchants,
    t.is_fraud,
    t.year,
    t.month,
    t.day
FROM raw t
JOIN merchants m ON t.merchant_id = m.merchant_id
JOIN typical ON typical.category = m.category
JOIN habits ON habits.card_id = t.card_id
