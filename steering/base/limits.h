/* SPDX-License-Identifier: Apache-2.0 */
/* LIMIT(normal, tiny): a ceiling or starting size that BUILD=tiny shrinks, so that the test
 * suite walks through every growth and overflow path. A limit that is part of a contract
 * (an RFC, a documented maximum) is written as a plain number instead. */
#pragma once

#ifdef STEER_TINY
#define LIMIT(normal, tiny) (tiny)
#else
#define LIMIT(normal, tiny) (normal)
#endif
