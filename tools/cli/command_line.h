// The commands of `sluice` and their flags (CLI11), and what each does.
//
// Exit status: 0 done; 1 it could not be done (no such job, nobody answers, refused), with one line
// on stderr; 2 wrong usage.
#pragma once

namespace sluice {

int sluice_main(int argc, const char* const* argv);

}  // namespace sluice
