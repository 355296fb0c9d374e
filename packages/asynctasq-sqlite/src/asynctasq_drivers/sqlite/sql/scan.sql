-- How far one look at a listing may go: the last place of it, and how many tasks lie before that.
SELECT max(seq), count(*) FROM (
    SELECT seq FROM asynctasq_task
    WHERE seq > :after
    ORDER BY seq
    LIMIT :most
)
