/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/actor.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

static void find_user(char out_name[ACTOR_NAME_MAX])
{
    const char *behind_sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *user = getpwuid(getuid());
    if (behind_sudo != NULL && behind_sudo[0] != '\0')
        snprintf(out_name, ACTOR_NAME_MAX, "%s", behind_sudo);
    else if (user != NULL)
        snprintf(out_name, ACTOR_NAME_MAX, "%s", user->pw_name);
    else
        snprintf(out_name, ACTOR_NAME_MAX, "uid %lu", (unsigned long)getuid());
}

void actor_init(struct actor *actor, const struct ctl *ctl)
{
    *actor = (struct actor){ .at_unix_s = clock_unix_s() };
    find_user(actor->who);
    if (gethostname(actor->host, sizeof(actor->host) - 1) != 0)
        actor->host[0] = '\0';
    ulid_new(actor->op_id);
    actor->argc = (size_t)ctl->argc;
    actor->argv = mem_calloc(actor->argc + 1, sizeof(struct str));
    for (size_t i = 0; i < actor->argc; i++)
        actor->argv[i] = str_from(ctl->argv[i]);
}

void actor_fini(struct actor *actor)
{
    free(actor->argv);
    actor->argv = NULL;
}

struct str actor_reason(const struct ctl *ctl)
{
    return str_trim(str_from(ctl->args.reason));
}

struct store_audit actor_audit(const struct actor *actor, const struct ctl *ctl, struct str verb,
                               struct str site)
{
    return (struct store_audit){
        .op_id = str_from(actor->op_id),
        .who = str_from(actor->who),
        .host = str_from(actor->host),
        .why = actor_reason(ctl),
        .verb = verb,
        .site = site,
        .version = STR(STEER_VERSION),
        .argv = actor->argv,
        .argc = actor->argc,
        .overrides = ctl->args.rules,
        .override_count = ctl->args.rule_count,
        .at_unix_s = actor->at_unix_s,
    };
}
