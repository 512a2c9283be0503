/* SPDX-License-Identifier: Apache-2.0 */
/* The one error vocabulary of the program.
 *
 * ERR_LIST yields the enum, its names, its texts and the exit code that the `steer` command
 * ends with when the error reaches main(). Protocol outcomes (RCODE, HTTP status) are not here.
 * Threads:   any.
 */
#pragma once

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/*      name         exit  text */
#define ERR_LIST(X)                                                                                \
    X(OK, 0, "success")                                                                            \
    X(INTERNAL, 1, "internal error")                                                               \
    X(SYNTAX, 2, "syntax error")                                                                   \
    X(INVALID, 2, "invalid value")                                                                 \
    X(UNKNOWN, 2, "unknown name")                                                                  \
    X(BLOCKED, 3, "blocked by a safety rule")                                                      \
    X(CONFLICT, 4, "someone else was faster")                                                      \
    X(UNREACHABLE, 5, "store unreachable, nothing written")                                        \
    X(OUTCOME_UNKNOWN, 6, "outcome unknown")                                                       \
    X(TIMEOUT, 7, "not converged in time")                                                         \
    X(DECLINED, 8, "declined")                                                                     \
    X(EXISTS, 2, "exists already")                                                                 \
    X(NOT_FOUND, 2, "not found")                                                                   \
    X(TOO_LARGE, 2, "larger than the limit")                                                       \
    X(CORRUPT, 1, "corrupt data")                                                                  \
    X(IO, 1, "input/output error")                                                                 \
    X(NO_SPACE, 1, "no space left on device")                                                      \
    X(DENIED, 1, "permission denied")                                                              \
    X(BUSY, 1, "busy")

enum err {
#define X(name, exit_code, text) ERR_##name,
    ERR_LIST(X)
#undef X
};

/* "ERR_CONFLICT" -> "CONFLICT"; never NULL. */
const char *err_name(enum err err);
/* A lower-case sentence fragment for people; never NULL. */
const char *err_text(enum err err);
/* The process exit code of section 6 of the manual, 0 for ERR_OK. */
int err_exit_code(enum err err);
/* Maps errno values; anything unlisted becomes ERR_IO. `errnum` 0 gives ERR_OK. */
enum err err_from_errno(int errnum);
