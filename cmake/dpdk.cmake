# SPDX-License-Identifier: BSD-3-Clause
#
# dpdk.cmake - DPDK, linked statically with the drivers that sock7 supports
#
# Gives the interface target s7_dpdk (link line and compile flags; s7_port carries it on). What whoever links needs:
#   target_link_libraries(x PRIVATE s7_port)
# DPDK's archives are copied into the build tree with the system calls of dpdk_port/redirect.syms (and net_af_xdp's
# calls of libbpf and libxdp, dpdk_port/lazy.def) renamed, so that DPDK never meets the libc names which
# shim/ exports, and nothing beyond libc is a shared dependency. Registered by constructors: drivers,
# buses, the mempool driver; they need --whole-archive, all the rest is pulled in as used.
# mlx5 is not among the drivers: Debian's libibverbs and libmlx5 need libnl, of which only the shared one is
# position independent, and its constructor changes the environment of the host program.
find_package(PkgConfig REQUIRED)
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk-libs>=22.11)
pkg_get_variable(s7_dpdk_libdir libdpdk-libs libdir)

set(S7_DPDK_DRIVERS mempool_ring bus_vdev bus_pci
	net_af_packet net_af_xdp net_memif net_virtio net_vhost net_tap net_ring net_null
	common_iavf net_ixgbe net_i40e net_ice net_iavf net_e1000 net_igc net_vmxnet3 net_ena)
set(S7_DPDK_LIBS vhost security dmadev cryptodev gso hash timer pci ethdev meter net mbuf mempool
	rcu ring eal telemetry kvargs ip_frag)

set(s7_dpdk_dir ${PROJECT_BINARY_DIR}/dpdk)
file(MAKE_DIRECTORY ${s7_dpdk_dir})

# net_af_xdp's renamings come from the list that lazy.c is made of.
file(STRINGS ${PROJECT_SOURCE_DIR}/dpdk_port/lazy.def s7_lazy_rows REGEX "^LAZY")
set(s7_lazy_syms)
foreach(row IN LISTS s7_lazy_rows)
	string(REGEX REPLACE "^LAZY\\([A-Z]+, ([a-z0-9_]+)\\)$" "\\1 s7x_\\1\n" row ${row})
	string(APPEND s7_lazy_syms ${row})
endforeach()
file(CONFIGURE OUTPUT ${s7_dpdk_dir}/lazy.syms CONTENT "${s7_lazy_syms}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/dpdk_port/lazy.def)

set(s7_redirect_syms ${PROJECT_SOURCE_DIR}/dpdk_port/redirect.syms)
set(s7_dpdk_archives)
foreach(lib IN LISTS S7_DPDK_DRIVERS S7_DPDK_LIBS)
	set(from ${s7_dpdk_libdir}/librte_${lib}.a)
	set(to ${s7_dpdk_dir}/librte_${lib}.a)
	add_custom_command(OUTPUT ${to}
		COMMAND ${CMAKE_OBJCOPY} --redefine-syms=${s7_redirect_syms}
			--redefine-syms=${s7_dpdk_dir}/lazy.syms ${from} ${to}
		DEPENDS ${from} ${s7_redirect_syms} ${s7_dpdk_dir}/lazy.syms
		COMMENT "DPDK ${lib}" VERBATIM)
	list(APPEND s7_dpdk_archives ${to})
endforeach()
add_custom_target(s7_dpdk_archives DEPENDS ${s7_dpdk_archives})

list(TRANSFORM S7_DPDK_DRIVERS REPLACE "(.+)" "${s7_dpdk_dir}/librte_\\1.a" OUTPUT_VARIABLE s7_whole)
list(TRANSFORM S7_DPDK_LIBS REPLACE "(.+)" "${s7_dpdk_dir}/librte_\\1.a" OUTPUT_VARIABLE s7_group)
list(JOIN s7_whole "," s7_whole)
list(JOIN s7_group "," s7_group)

# Compile flags apart from the link line: dpdk_port/'s archives are compiled with the one and linked with the other.
add_library(s7_dpdk_headers INTERFACE)
target_compile_options(s7_dpdk_headers INTERFACE -include rte_config.h)
target_include_directories(s7_dpdk_headers SYSTEM INTERFACE ${DPDK_INCLUDE_DIRS})

# The drivers come first and unconditionally; the group holds s7_dpdk_calls (redirect.c, numa.c, lazy.c), which DPDK calls.
add_library(s7_dpdk INTERFACE)
target_link_libraries(s7_dpdk INTERFACE
	"-Wl,--whole-archive,${s7_whole},--no-whole-archive"
	"-Wl,--start-group,$<TARGET_FILE:s7_dpdk_calls>,${s7_group},-l:libbsd.a,-l:libmd.a,--end-group"
	Threads::Threads ${CMAKE_DL_LIBS} m)
target_link_options(s7_dpdk INTERFACE -Wl,--gc-sections -Wl,--exclude-libs,ALL)
set_target_properties(s7_dpdk PROPERTIES INTERFACE_LINK_DEPENDS "${s7_dpdk_archives};$<TARGET_FILE:s7_dpdk_calls>")
