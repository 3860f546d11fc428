/* Lets the n-th call of libpq on connections to one database meet a broken connection. */
#ifndef MIGRATIOND_FAILING_PQ_H
#define MIGRATIOND_FAILING_PQ_H

/* Counts calls on connections to `database` from now on, and breaks the connection at call `nth`,
   from 1; 0 breaks none. One database at a time. */
void failing_pq_arm(const char *database, int nth);

/* Stops counting; returns the number of calls since failing_pq_arm. */
int failing_pq_disarm(void);

#endif
