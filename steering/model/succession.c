/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/succession.h"

enum succession succession_judge(const struct document *current, const struct document *next)
{
    if (current == NULL)
        return SUCCESSION_NEWER;
    if (!str_eq(current->epoch, next->epoch))
        return str_eq(current->epoch, next->adopted_epoch) ? SUCCESSION_NEWER
                                                           : SUCCESSION_OTHER_EPOCH;
    if (next->generation != current->generation)
        return next->generation > current->generation ? SUCCESSION_NEWER : SUCCESSION_OLDER;
    struct digest a = document_digest(current);
    struct digest b = document_digest(next);
    return digest_eq(&a, &b) ? SUCCESSION_SAME : SUCCESSION_DIVERGED;
}

const char *succession_text(enum succession succession)
{
    switch (succession) {
    case SUCCESSION_NEWER:
        return "newer";
    case SUCCESSION_SAME:
        return "the same";
    case SUCCESSION_OLDER:
        return "older than the one in use";
    case SUCCESSION_DIVERGED:
        return "same generation, other content";
    case SUCCESSION_OTHER_EPOCH:
        return "another epoch that does not adopt the one in use";
    }
    return "unknown";
}
