"""The project's build rules: one macro per kind of target, so that flags and limits change here.

    sluice_library(name, srcs, hdrs, deps, visibility)
    sluice_job(name, srcs)              an executable job with all its cluster roles
    sluice_test(name, srcs, deps)       a doctest binary
    sluice_benchmark(name, srcs, deps)  a google-benchmark binary
    sluice_proto(name, src)             C++ code for one .proto file
"""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
    "-Wvla",
    # Designated initialisers leave out fields that have defaults; that is their use.
    "-Wno-missing-field-initializers",
]

# Keyed state is millions of small blocks: mimalloc takes a quarter off the time of the queries that keep
# them (docs/performance.md). Sanitizers bring an allocator of their own.
PROGRAM_MALLOC = select({
    "//third_party:system_malloc": "@bazel_tools//tools/cpp:malloc",
    "//conditions:default": "//third_party:mimalloc",
})

def sluice_library(name, srcs = [], hdrs = [], deps = [], copts = [], visibility = None, **kwargs):
    """A C++ library. Visibility must be given for whoever is above; the default is the folder alone."""
    native.cc_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        copts = _WARNINGS + copts,
        linkstatic = True,
        visibility = visibility,
        deps = deps,
        **kwargs
    )

def sluice_binary(name, srcs, deps = [], copts = [], **kwargs):
    """A program that is not a job, such as a tool."""
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = _WARNINGS + copts,
        deps = deps,
        **kwargs
    )

def sluice_job(name, srcs, deps = [], data = [], copts = [], visibility = ["//visibility:public"], **kwargs):
    """A job: SLUICE_JOB in srcs plus the entry point that gives it every role."""
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = _WARNINGS + copts,
        data = data,
        malloc = PROGRAM_MALLOC,
        visibility = visibility,
        deps = [
            "//actors:job_main",
            "//api:stream",
        ] + deps,
        **kwargs
    )

def sluice_test(name, srcs, deps = [], size = "medium", data = [], tags = [], copts = [], **kwargs):
    """A test of doctest cases. Tag "full" keeps it out of the default run, "caf" out of tsan.

    Medium, although most take a second: the limit of small ones is near on a busy machine.
    """
    native.cc_test(
        name = name,
        srcs = srcs,
        copts = _WARNINGS + copts,
        data = data,
        size = size,
        tags = tags,
        deps = ["//tests/support:doctest_main"] + deps,
        **kwargs
    )

def sluice_benchmark(name, srcs, deps = [], data = [], copts = [], **kwargs):
    """A google-benchmark program with its own BENCHMARK_MAIN; run it with `bazel run`."""
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = _WARNINGS + copts,
        data = data,
        deps = ["//third_party:benchmark"] + deps,
        **kwargs
    )

def sluice_proto(name, src, visibility = None, deps = []):
    """C++ code for one .proto file; include it as "<folder>/<file>.pb.h".

    Imports inside the file are written from the workspace root. List their targets in deps.
    """
    base = src[:-len(".proto")]
    native.genrule(
        name = name + "_code",
        srcs = [src] + [dep + "_source" for dep in deps],
        outs = [
            base + ".pb.cc",
            base + ".pb.h",
        ],
        cmd = "protoc --proto_path=. --cpp_out=$(GENDIR) $(location %s)" % src,
    )
    native.filegroup(
        name = name + "_source",
        srcs = [src] + [dep + "_source" for dep in deps],
        visibility = visibility,
    )
    native.cc_library(
        name = name,
        srcs = [base + ".pb.cc"],
        hdrs = [base + ".pb.h"],
        # Not our code: no warnings as errors.
        copts = ["-w"],
        linkstatic = True,
        visibility = visibility,
        deps = ["//third_party:protobuf"] + deps,
    )
