/*
 * Reading of AWS shared files ("Shared config and credentials files" in the AWS SDKs Reference Guide): sections in
 * brackets, name = value lines, comments that begin with # or ;.
 */
#ifndef SHOP_COMMON_PROFILE_FILE_H
#define SHOP_COMMON_PROFILE_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct profile_value {
    const char *name;
    char *value; /* set by profile_file_read; NULL when the section does not have it; the caller frees it */
};

/*
 * profile_file_read looks up the wanted names in one section. Where a name comes twice, the last one counts.
 * Returns false, with errno set, when the file cannot be read; a missing section only leaves the values NULL.
 */
bool profile_file_read(const char *path, const char *section, struct profile_value *wanted, size_t count);

#endif
