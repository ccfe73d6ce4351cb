// Stands in for libimf.so of Intel's compiler runtime, which the prebuilt libdnnl lists as needed.
//
// libdnnl wants 14 functions of it: erff exp2 expf expm1f ldexp log1pf log2 logf pow powf scalbnf
// sqrt sqrtf tanhf, by their plain unversioned names. glibc's libm has them all. So this library
// defines none of them: it only brings in libm.so.6 as its own dependency, and the dynamic linker
// binds libdnnl to libm directly. A forwarder would cost a call and, exporting `expf`, could take
// over that name in the whole process.

const char stoker_libimf_shim[] = "libimf.so: libm.so.6 through Stoker's shim";
