-- How far one look at a listing may go: its last place, and how many tasks lie before that.
SELECT queue, id, number
FROM (
    SELECT queue, id, row_number() OVER (ORDER BY queue, id) AS number
    FROM {table}
    WHERE (queue, id) >= ($1, $2::uuid) AND queue <= $3
    ORDER BY queue, id
    LIMIT $4
) AS seen
ORDER BY number DESC
LIMIT 1
