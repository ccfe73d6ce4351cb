// STOKER_SANITIZED_MALLOC is 1 where a sanitizer has taken malloc's place, so that allocations
// cannot be counted, and a request that is too large ends the program. Tests of these are left out
// of such a build when it is compiled, since a test that skips itself is a failure in
// scripts/nightly.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STOKER_SANITIZED_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STOKER_SANITIZED_MALLOC 1
#endif
#endif

#ifndef STOKER_SANITIZED_MALLOC
#define STOKER_SANITIZED_MALLOC 0
#endif
