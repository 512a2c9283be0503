/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files of a folder, without libFuzzer: each file whole, and each cut
 * short at every length up to a bound, so that `make test` walks through all early ends. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/buf.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX_BYTES = 1 << 22, CUTS_MAX = 512 };

/* An exact copy on the heap, so that the sanitizer sees a read one byte beyond. */
static void run_one(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = mem_dup(bytes != NULL ? (const void *)bytes : "", len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static bool run_file(const char *path)
{
    struct buf content;
    buf_init(&content, INPUT_MAX_BYTES);
    bool is_read = file_read(path, &content) == ERR_OK;
    if (is_read) {
        run_one(content.bytes, content.len);
        for (size_t cut = 0; cut < content.len && cut < CUTS_MAX; cut++)
            run_one(content.bytes, cut);
    } else {
        perror(path);
    }
    buf_fini(&content);
    return is_read;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        perror(argv[1]);
        return 1;
    }
    size_t count = 0;
    int status = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = file_join(argv[1], entry->d_name);
        if (!run_file(path))
            status = 1;
        free(path);
        count++;
    }
    closedir(folder);
    if (count == 0) {
        fprintf(stderr, "%s: no corpus files\n", argv[1]);
        status = 1;
    }
    printf("%s: %zu corpus files\n", argv[0], count);
    return status;
}
