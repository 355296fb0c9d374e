DELETE FROM asynctasq_task WHERE seq IN (SELECT value FROM json_each(:seqs))
