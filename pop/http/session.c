/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/codec.h"

void http_session_free(struct http_session *session)
{
    if (session != NULL)
        session->ops->free(session);
}
