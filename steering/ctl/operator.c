/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/operator.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

static void find_user(char out_name[OPERATOR_NAME_MAX])
{
    const char *behind_sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *user = getpwuid(getuid());
    if (behind_sudo != NULL && behind_sudo[0] != '\0')
        snprintf(out_name, OPERATOR_NAME_MAX, "%s", behind_sudo);
    else if (user != NULL)
        snprintf(out_name, OPERATOR_NAME_MAX, "%s", user->pw_name);
    else
        snprintf(out_name, OPERATOR_NAME_MAX, "uid %lu", (unsigned long)getuid());
}

void operator_init(struct operator* operator, const struct ctl * ctl)
{
    *operator=(struct operator){ .at_unix_s = clock_unix_s() };
    find_user(operator->who);
    if (gethostname(operator->host, sizeof(operator->host) - 1) != 0)
        operator->host[0] = '\0';
    ulid_new(operator->op_id);
    operator->argc =(size_t) ctl->argc;
    operator->argv = mem_calloc(operator->argc + 1, sizeof(struct str));
    for (size_t i = 0; i < operator->argc; i++)
        operator->argv[i] = str_from(ctl->argv[i]);
}

void operator_fini(struct operator* operator)
{
    free(operator->argv);
    operator->argv = NULL;
}

struct str operator_reason(const struct ctl *ctl)
{
    return str_trim(str_from(ctl->args.reason));
}

struct store_audit operator_audit(const struct operator* operator, const struct ctl * ctl,
                                  struct str verb, struct str site)
{
    return (struct store_audit){
        .op_id = str_from(operator->op_id),
        .who = str_from(operator->who),
        .host = str_from(operator->host),
        .why = operator_reason(ctl),
        .verb = verb,
        .site = site,
        .version = STR(STEER_VERSION),
        .argv = operator->argv,
        .argc = operator->argc,
        .overrides = ctl->args.rules,
        .override_count = ctl->args.rule_count,
        .at_unix_s = operator->at_unix_s,
    };
}
