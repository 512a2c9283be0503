/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/actor.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

/* NULL: no such user, or no such file. */
static const struct passwd *find_local_user(uid_t uid)
{
    const struct passwd *user = NULL;
    FILE *users = fopen("/etc/passwd", "re");
    if (users == NULL)
        return NULL;
    do
        user = fgetpwent(users);
    while (user != NULL && user->pw_uid != uid);
    int problem = errno;
    fclose(users);
    errno = problem;
    return user;
}

/* The local users are asked for first, and by hand: to set up its name services, glibc reads null
 * pointers when it has no memory, and loads a library or two when it has. */
static const struct passwd *find_passwd(uid_t uid)
{
    errno = 0;
    const struct passwd *user = find_local_user(uid);
    if (user == NULL && errno != ENOMEM)
        user = getpwuid(uid);
    if (user == NULL && errno == ENOMEM)
        mem_exhausted(); /* rather than an audit record without its author */
    return user;
}

static void find_user(char out_name[ACTOR_NAME_MAX])
{
    const char *behind_sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    if (behind_sudo != NULL && behind_sudo[0] != '\0') {
        snprintf(out_name, ACTOR_NAME_MAX, "%s", behind_sudo);
        return;
    }
    const struct passwd *user = find_passwd(getuid());
    if (user != NULL)
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
