# SPDX-License-Identifier: BSD-3-Clause
#
# flags.cmake - compiler and linker flags of every target
#
# Baseline: x86-64-v2, which is what Debian's DPDK is built for, so the library runs wherever the
# packages do. LTO: our objects are fat (machine code and GIMPLE), so that only
# libsock7.so pays for the link-time pass and tests link the plain half; Debian's DPDK archives hold no
# GIMPLE and take part as plain objects.
find_package(Threads REQUIRED)

find_program(S7_CCACHE ccache)
if(S7_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
	set(CMAKE_C_COMPILER_LAUNCHER ${S7_CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
	-march=x86-64-v2 -mtune=generic
	-Wall -Wextra -Werror=implicit-function-declaration -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wvla
	-fno-strict-aliasing -fno-common -fvisibility=hidden -ffunction-sections -fdata-sections
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(S7_WERROR)
	add_compile_options(-Werror)
endif()
if(S7_LTO)
	add_compile_options(-flto=auto -ffat-lto-objects)
	add_link_options(-fno-lto)
endif()
if(S7_SANITIZE)
	add_compile_options(-fsanitize=${S7_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	string(REPLACE "fuzzer-no-link," "" s7_link_sanitize ${S7_SANITIZE})
	add_link_options(-fsanitize=${s7_link_sanitize})
endif()
if(S7_COVERAGE)
	add_compile_options(--coverage)
	add_link_options(--coverage)
endif()
