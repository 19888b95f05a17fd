#pragma once

// The classes of httplib have other members with these macros than without, and the shared
// library was built with them: a file compiled without them would corrupt memory.
#if !defined(CPPHTTPLIB_OPENSSL_SUPPORT) || !defined(CPPHTTPLIB_ZLIB_SUPPORT) || \
    !defined(CPPHTTPLIB_BROTLI_SUPPORT)
#error "compile with the flags of pkg-config cpp-httplib"
#endif

#include <httplib.h>
