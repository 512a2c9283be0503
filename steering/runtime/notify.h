/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how we are: one datagram to $NOTIFY_SOCKET, nothing when there is
 * none.
 * Threads:   any.
 * Source:    sd_notify(3)
 */
#pragma once

/* `state` such as "READY=1", or several lines. Failures are nobody's business: the service
 * manager notices silence by itself. */
void notify_send(const char *state);
/* "RELOADING=1" with the time stamp that it must carry; end it with "READY=1". */
void notify_reloading(void);
