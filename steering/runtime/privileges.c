/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

enum { CAPABILITY_TRIES = 64 };

enum err privileges_prepare(const char *user, struct diag *diag, struct privileges *out_privileges)
{
    struct privileges found = {
        .is_root = geteuid() == 0, .keeps_uid = true, .uid = geteuid(), .gid = getegid()
    };
    if (found.is_root && strcmp(user, "root") != 0) {
        errno = 0;
        const struct passwd *entry = getpwnam(user);
        if (entry == NULL) {
            diag_error(diag, 0, 0,
                       "started by root, but the user '%s' to run as does not exist; create it "
                       "(useradd --system --shell /usr/sbin/nologin %s), or name another with "
                       "'user:' (root is possible, too)",
                       user, user);
            return ERR_UNKNOWN;
        }
        found.keeps_uid = entry->pw_uid == 0;
        found.uid = entry->pw_uid;
        found.gid = entry->pw_gid;
    }
    found.user = mem_strdup(user);
    *out_privileges = found;
    return ERR_OK;
}

void privileges_fini(struct privileges *privileges)
{
    free(privileges->user);
    privileges->user = NULL;
}

enum err privileges_own_folder(const struct privileges *privileges, const char *path,
                               struct diag *diag)
{
    enum err err = file_make_folders(path);
    if (err != ERR_OK)
        return diag_errno(diag, errno, "cannot make the folder '%s'", path);
    if (privileges->keeps_uid)
        return ERR_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot open the folder '%s'", path);
    if (fchown(fd, privileges->uid, privileges->gid) != 0)
        err = diag_errno(diag, errno, "cannot give the folder '%s' to user '%s'", path,
                         privileges->user);
    close(fd);
    return err;
}

enum err privileges_own_file(const struct privileges *privileges, const char *path,
                             struct diag *diag)
{
    if (privileges->keeps_uid)
        return ERR_OK;
    if (lchown(path, privileges->uid, privileges->gid) != 0)
        return diag_errno(diag, errno, "cannot give '%s' to user '%s'", path, privileges->user);
    return ERR_OK;
}

/* What root could get back by exec. Needs CAP_SETPCAP, which a container may withhold; no_new_privs
 * covers for it, so failures do not matter. */
static void drop_bounding(void)
{
    for (unsigned long capability = 0; capability < CAPABILITY_TRIES; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_SET_SECUREBITS,
          SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
              SECBIT_KEEP_CAPS_LOCKED,
          0, 0, 0);
}

static enum err change_user(const struct privileges *privileges, struct diag *diag)
{
    if (initgroups(privileges->user, privileges->gid) != 0)
        return diag_errno(diag, errno, "cannot take on the groups of user '%s'", privileges->user);
    if (setresgid(privileges->gid, privileges->gid, privileges->gid) != 0)
        return diag_errno(diag, errno, "cannot take on group %u", (unsigned)privileges->gid);
    if (setresuid(privileges->uid, privileges->uid, privileges->uid) != 0)
        return diag_errno(diag, errno, "cannot become user '%s'", privileges->user);
    return ERR_OK;
}

static enum err clear_capabilities(struct diag *diag)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof(none));
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* a kernel without it has none */
    if (syscall(SYS_capset, &header, none) != 0)
        return diag_errno(diag, errno, "cannot give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return diag_errno(diag, errno, "cannot rule out new privileges");
    return ERR_OK;
}

enum err privileges_drop(const struct privileges *privileges, struct diag *diag)
{
    drop_bounding();
    if (!privileges->keeps_uid) {
        enum err err = change_user(privileges, diag);
        if (err != ERR_OK)
            return err;
    }
    enum err err = clear_capabilities(diag);
    if (err != ERR_OK)
        return err;
    if (!privileges->keeps_uid && (setuid(0) == 0 || geteuid() != privileges->uid))
        return diag_error(diag, 0, 0, "root could not be given up");
    return ERR_OK;
}
