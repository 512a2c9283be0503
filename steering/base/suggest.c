/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/suggest.h"

#include <stdio.h>

struct suggest suggest_init(struct str wanted)
{
    /* One typing error for every three letters, two at least: "eu" must not propose "us-east". */
    unsigned tolerance = (unsigned)(wanted.len / 3) + 1;
    if (tolerance < 2)
        tolerance = 2;
    return (struct suggest){ .wanted = wanted, .distance = tolerance + 1 };
}

void suggest_offer(struct suggest *suggest, struct str candidate)
{
    unsigned distance = str_distance(suggest->wanted, candidate, suggest->distance);
    if (distance >= suggest->distance || distance >= candidate.len)
        return;
    suggest->distance = distance;
    suggest->best = candidate;
}

bool suggest_has(const struct suggest *suggest)
{
    return suggest->best.len > 0;
}

const char *suggest_format(const struct suggest *suggest, char *out_text, size_t capacity)
{
    if (!suggest_has(suggest))
        out_text[0] = '\0';
    else
        snprintf(out_text, capacity, "; did you mean '%.*s'?", STR_ARG(suggest->best));
    return out_text;
}
