/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/findings.h"

#include <string.h>

#include "steering/base/mem.h"

enum { TEXT_MAX_BYTES = 64 << 20 };

static const char *const severities[] = { [DIAG_ERROR] = "error", [DIAG_WARNING] = "warning" };

/* A line taken apart. */
struct place {
    struct str file, text;
    uint64_t line, column; /* 0: not said */
    enum diag_severity severity;
};

void findings_init(struct findings *findings)
{
    *findings = (struct findings){ .all = json_array() };
    buf_init(&findings->text, TEXT_MAX_BYTES);
}

void findings_fini(struct findings *findings)
{
    json_decref(findings->all);
    buf_fini(&findings->text);
    findings->all = NULL;
}

static bool has_line(const struct findings *findings, struct str line)
{
    struct str rest = buf_str(&findings->text), one;
    while (rest.len > 0) {
        str_split(rest, '\n', &one, &rest);
        if (str_eq(one, line))
            return true;
    }
    return false;
}

/* Cuts ":NUMBER" off the end. */
static bool cut_number(struct str *text, uint64_t *out_number)
{
    size_t at = text->len;
    while (at > 0 && text->ptr[at - 1] != ':')
        at--;
    if (at == 0 ||
        !str_parse_u64((struct str){ text->ptr + at, text->len - at }, UINT32_MAX, out_number))
        return false;
    text->len = at - 1;
    return true;
}

static bool split_at_severity(struct str line, enum diag_severity severity, struct place *out)
{
    char mark[16];
    int len = snprintf(mark, sizeof(mark), "%s: ", severities[severity]);
    const char *at = line.len > 0 ? memmem(line.ptr, line.len, mark, (size_t)len) : NULL;
    bool is_lead =
        at != NULL && (at == line.ptr || (at >= line.ptr + 2 && at[-1] == ' ' && at[-2] == ':'));
    if (!is_lead)
        return false;
    *out = (struct place){ .severity = severity };
    out->file = (struct str){ line.ptr, at == line.ptr ? 0 : (size_t)(at - line.ptr) - 2 };
    out->text = (struct str){ at + len, line.len - (size_t)(at - line.ptr) - (size_t)len };
    return true;
}

static bool parse_line(struct str line, struct place *out)
{
    uint64_t number;
    struct place error, warning;
    bool is_error = split_at_severity(line, DIAG_ERROR, &error);
    bool is_warning = split_at_severity(line, DIAG_WARNING, &warning);
    if (!is_error && !is_warning)
        return false;
    /* The first mark counts: the text behind it may hold another one. */
    bool takes_error = is_error && (!is_warning || error.text.ptr < warning.text.ptr);
    *out = takes_error ? error : warning;
    if (cut_number(&out->file, &number))
        out->line = number;
    if (out->line > 0 && cut_number(&out->file, &number)) {
        out->column = out->line;
        out->line = number;
    }
    return true;
}

bool findings_add_line(struct findings *findings, struct str line)
{
    struct place place;
    if (!parse_line(line, &place))
        return false;
    if (has_line(findings, line))
        return true;
    json_t *entry = json_object();
    json_set_str(entry, "severity", str_from(severities[place.severity]));
    json_set_str(entry, "file", place.file);
    json_set_int(entry, "line", (int64_t)place.line);
    json_set_int(entry, "column", (int64_t)place.column);
    json_set_str(entry, "text", place.text);
    json_array_append_new(findings->all, entry);
    buf_append_str(&findings->text, line);
    buf_append_text(&findings->text, "\n");
    findings->error_count += place.severity == DIAG_ERROR;
    findings->warning_count += place.severity == DIAG_WARNING;
    return true;
}

void findings_add_diag(struct findings *findings, const struct diag *diag)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    diag_format(diag, &text);
    struct str rest = buf_str(&text), line;
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        findings_add_line(findings, line);
    }
    buf_fini(&text);
}

void findings_add_error(struct findings *findings, const char *file, const char *text)
{
    struct buf line;
    buf_init(&line, 1 << 16);
    buf_append_format(&line, "%s: error: %s", file, text);
    findings_add_line(findings, buf_str(&line));
    buf_fini(&line);
}
