// Work on files that are not trusted, in a process that has nothing to lose.
#pragma once

#include <filesystem>
#include <functional>

namespace stoker::tool {

// Runs work(path) in a child process; `path`, which has the name of `output`, is in a new folder
// beside it, and what work wrote there takes the place of `output` once it has returned. The child
// can read the file `input` and what /proc and /sys say of the machine, write into that folder, and
// start threads. It cannot open another file, a socket or a program, has no terminal, and ends
// after ten minutes, or when it takes more memory than 4 GiB, four times the size of `input`, and
// what threads need.
//
// Throws DataError with what work threw, or with how the child ended; `output` is then as it was.
// Throws IoError where the child cannot be started or confined (Linux 5.13 with Landlock is
// needed). The calling process should have one thread only: the child is a copy of it.
void run_restricted(const std::filesystem::path& input, const std::filesystem::path& output,
                    const std::function<void(const std::filesystem::path&)>& work);

}  // namespace stoker::tool
