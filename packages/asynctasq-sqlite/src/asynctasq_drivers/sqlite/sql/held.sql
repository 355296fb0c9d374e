-- The receipt that holds each task now; a negative one holds nothing.
SELECT seq, receipt FROM asynctasq_task WHERE seq IN (SELECT value FROM json_each(:seqs))
