# SPDX-License-Identifier: Apache-2.0
# One explicit, non-recursive Makefile. The lists below are the inventory of the project.
#   make            build/release/steer, build/release/steer-dns, build/release/steer-pop
#   make test       everything that CI runs; BUILD=release|asan|tsan|tiny for one flavour
#   make help       the other targets
# Variables: BUILD, JOBS=N, V=1 (show commands), PREFIX, DESTDIR, CC, EXTRA_CFLAGS, EXTRA_LDFLAGS,
#   STATIC_NGHTTP2=0 (the shared libnghttp2 in release too). What they change is made anew by itself.

BUILD ?= release
B := build/$(BUILD)
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
# Debian's, because pytest and dnspython are Debian packages; not the first python3 in PATH.
PYTHON ?= /usr/bin/python3
JOBS ?= $(shell nproc)

.DEFAULT_GOAL := all

# ---- flavours --------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := gcc
endif
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2 -Wundef -Wcast-qual -Wswitch-enum -Werror
# -flto: the hot paths cross folders, and folders are archives. Fat objects, so that tools which do
# not know about it can still read them.
# -fno-plt: all is bound at start anyway, so calls need no table of jumps.
# -ffile-prefix-map: the same sources and tools make the same programs, in whatever folder.
SAME_EVERYWHERE := -ffile-prefix-map="$(CURDIR)=."
CFLAGS_release := -O2 -g -flto -fno-plt -ffat-lto-objects -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	$(SAME_EVERYWHERE)
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_tiny := -O1 -g -DSTEER_TINY
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
LDFLAGS_release := -O2 -g -flto=auto -Wl,-z,relro,-z,now $(SAME_EVERYWHERE)
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_tiny :=
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
ifeq ($(CFLAGS_$(BUILD)),)
$(error BUILD=$(BUILD) is unknown; use release, asan, tsan, tiny or fuzz)
endif
ifeq ($(BUILD),fuzz)
CC := clang
endif
# ar that understands what -flto leaves behind; the fat objects do without it.
ifeq ($(CC),gcc)
AR := gcc-ar
endif

pc = $(shell pkg-config --$(1) $(2) 2>/dev/null)
PKGS := jansson libcrypto libssl yaml-0.1 libmaxminddb ldns libuv libmicrohttpd libcurl libnghttp2
CFLAGS := -std=c11 -D_GNU_SOURCE -I. -pthread $(WARN) $(CFLAGS_$(BUILD)) $(EXTRA_CFLAGS) \
	-DSTEER_VERSION='"$(VERSION)"'
ifeq ($(filter clean help install-deps,$(MAKECMDGOALS)),)
CFLAGS += $(call pc,cflags,$(PKGS))
endif
LDFLAGS := -pthread $(LDFLAGS_$(BUILD)) $(EXTRA_LDFLAGS)
# Tests link the plain half of the fat objects: optimising each of them across folders takes minutes.
LDFLAGS_TEST := $(filter-out -flto%,$(LDFLAGS)) $(if $(findstring -flto,$(LDFLAGS)),-fno-lto)
# What each layer pulls in from outside. pkg-config is asked at the first use, and only then.
once = $(eval $(1) := $(2))$($(1))
LIBS_base = $(call once,LIBS_base,$(call pc,libs,jansson libcrypto) -lm)
LIBS_load = $(call once,LIBS_load,$(call pc,libs,yaml-0.1 libmaxminddb ldns))
LIBS_store = $(call once,LIBS_store,$(call pc,libs,libcurl))
LIBS_runtime = $(call once,LIBS_runtime,$(call pc,libs,libuv libmicrohttpd))
LIBS_uv = $(call once,LIBS_uv,$(call pc,libs,libuv))
LIBS_ldns = $(call once,LIBS_ldns,$(call pc,libs,ldns))
LIBS_tls = $(call once,LIBS_tls,$(call pc,libs,libssl libcrypto))
# Where its archive is there, nghttp2 is linked into releases: a small request takes a tenth less CPU
# time than with code on pages of its own that is called through a table. Its symbols stay inside, so
# that no library that brings the shared one along uses half of each.
STATIC_NGHTTP2 ?= $(if $(filter release,$(BUILD)),1,0)
NGHTTP2_ARCHIVE = $(if $(filter 1,$(STATIC_NGHTTP2)),$(wildcard $(call pc,variable=libdir,libnghttp2)/libnghttp2.a))
comma := ,
static_libs = $(1) -Wl$(comma)--exclude-libs$(comma)$(notdir $(1))
LIBS_http = $(call once,LIBS_http,$(if $(NGHTTP2_ARCHIVE),$(call static_libs,$(NGHTTP2_ARCHIVE)),$(call pc,libs,libnghttp2)))

# ---- sources, lowest layer first -------------------------------------------------------------
BASE_SRC := $(addprefix steering/base/,addr.c arena.c base64.c blocks.c buf.c cidr.c clock.c diag.c digest.c err.c file.c \
	hash.c json.c log.c mem.c rng.c str.c suggest.c ulid.c)
MODEL_SRC := $(addprefix steering/model/,area.c break_glass.c change.c decide.c document.c \
	explain.c geo.c geo_builder.c geo_class.c geo_compile.c geo_table.c intern.c location.c \
	prefix_trie.c site.c snapshot.c succession.c topology.c)
LOAD_SRC := $(addprefix config/load/,cidr_file.c domain.c geo_embedded.S load_detect.c mmdb.c \
	mmdb_data.c mmdb_file.c mmdb_record.c node.c node_common.c node_raw.c places.c places_data.c pop_node.c pop_node_check.c \
	pop_node_raw.c pop_node_routes.c schema.c \
	schema_value.c topology_area.c topology_backbone.c topology_lint.c topology_load.c topology_map.c \
	topology_network.c topology_place.c topology_raw.c world_load.c yaml_tree.c)
STORE_SRC := $(addprefix steering/store/,apply.c dir.c dir_cas.c dir_copy.c dir_log.c dir_presence.c \
	dir_swap.c last_good.c presence.c store.c)
RUNTIME_SRC := $(addprefix steering/runtime/,admin.c admin_socket.c break_glass_file.c \
	command_line.c daemon.c diag_print.c grace.c histogram.c last_good_saver.c loop.c metrics.c node_status.c notify.c \
	privileges.c publisher.c reload.c signals.c sockets.c steering.c steering_metrics.c steering_status.c thread.c)
CTL_SRC := $(addprefix steering/ctl/,args.c cmd_change.c cmd_check.c cmd_complete.c cmd_explain.c \
	cmd_explain_config.c cmd_help.c cmd_history.c cmd_status.c cmd_store.c cmd_wait.c command.c \
	converge.c findings.c http.c actor.c sites.c table.c text.c waiting.c)
WIRE_SRC := $(addprefix dns/wire/,name.c query.c)
ZONE_SRC := $(addprefix dns/zone/,doh_path.c lexer.c name_table.c rdata_ldns.c rdata_loc.c rdata_rare.c \
	rdata_text.c svcb.c type_name.c zone_bind.c zone_builder.c zone_check.c zone_load.c \
	zone_name.c zone_parser.c zone_report.c zone_set.c)
ANSWER_SRC := $(addprefix dns/answer/,answer.c builtin.c lookup.c opt.c reply.c steered.c view.c \
	view_encode.c)
SERVER_SRC := $(addprefix dns/server/,dataset.c exposition.c frames.c routes.c \
	server.c serving.c site_counts.c status.c tally.c tcp.c tcp_clients.c udp.c)

TLS_SRC := $(addprefix pop/tls/,ticket_keys.c tls_bio.c tls_context.c tls_engine.c tls_names.c \
	tls_output.c tls_pem.c tls_sessions.c tls_tickets.c)
HTTP_SRC := $(addprefix pop/http/,h1_body.c h1_client.c h1_fields.c h1_input.c h1_out.c \
	h1_parse.c h1_server.c h1_write.c h2_client.c h2_common.c h2_head.c h2_input.c h2_memory.c h2_output.c \
	h2_server.c h2_stream.c head.c hpack_encoder.c hpack_static.c pipe.c proxy_protocol.c score.c session.c window.c)
ROUTE_SRC := $(addprefix pop/route/,attempts.c choice.c connect_rate.c ejection.c floor_plan.c hop_make.c \
	hop_read.c hop_refusal.c hop_text.c hop_trace.c last_resort.c liveness.c pace.c retry_budget.c route_table.c rtt.c)
POP_SRC := $(addprefix pop/server/,access_log.c client.c client_addrs.c client_conn.c \
	client_drain.c client_listen.c client_liveness.c client_proxy.c client_redirect.c congestion.c dataset.c exchange.c \
	exchange_attempt.c exchange_log.c exchange_reply.c exchange_route.c exchange_watch.c \
	explaining.c exposition.c gather.c io.c log_query.c mailbox.c regions.c routes.c \
	server.c settings.c status.c strays.c tally.c tally_metrics.c ticket_watch.c traffic.c transport.c \
	transport_read.c transport_write.c upstream.c upstream_configure.c upstream_conn.c \
	upstream_liveness.c upstream_peer.c upstream_pool.c upstream_status.c upstream_warm.c wheel.c \
	worker_thread.c workers.c)
WAN_SRC := $(addprefix tools/wan/,change.c control.c departures.c fd_pass.c forwarder.c interface.c \
	isolation.c link.c link_settings.c matrix.c measure.c network.c options.c remote.c \
	run_folder.c session.c spread.c status.c)

LATENCY_SRC := $(addprefix tests/bench/latency/,client.c client_options.c codec_h1.c codec_h2.c \
	connection.c pool.c request.c samples.c stream.c)

# ---- archives: one per folder, so that an upward call fails to link --------------------------
objs = $(patsubst %.c,$(B)/%.o,$(patsubst %.S,$(B)/%.o,$(1)))
$(B)/base.a: $(call objs,$(BASE_SRC))
$(B)/model.a: $(call objs,$(MODEL_SRC))
$(B)/load.a: $(call objs,$(LOAD_SRC))
$(B)/store.a: $(call objs,$(STORE_SRC))
$(B)/runtime.a: $(call objs,$(RUNTIME_SRC))
$(B)/ctl.a: $(call objs,$(CTL_SRC))
$(B)/wire.a: $(call objs,$(WIRE_SRC))
$(B)/zone.a: $(call objs,$(ZONE_SRC))
$(B)/answer.a: $(call objs,$(ANSWER_SRC))
$(B)/server.a: $(call objs,$(SERVER_SRC))
$(B)/tls.a: $(call objs,$(TLS_SRC))
$(B)/http.a: $(call objs,$(HTTP_SRC))
$(B)/route.a: $(call objs,$(ROUTE_SRC))
$(B)/pop.a: $(call objs,$(POP_SRC))
$(B)/wan.a: $(call objs,$(WAN_SRC))

# A layer and all below it, in link order.
STACK_base := $(B)/base.a
STACK_model := $(B)/model.a $(STACK_base)
STACK_load := $(B)/load.a $(STACK_model)
STACK_store := $(B)/store.a $(STACK_model)
STACK_runtime := $(B)/runtime.a $(STACK_store)
STACK_ctl := $(B)/ctl.a $(B)/load.a $(STACK_store)
STACK_wire := $(B)/wire.a $(STACK_base)
STACK_zone := $(B)/zone.a $(STACK_wire)
STACK_answer := $(B)/answer.a $(B)/zone.a $(B)/wire.a $(STACK_model)
STACK_server := $(B)/server.a $(B)/answer.a $(B)/zone.a $(B)/wire.a $(B)/load.a $(STACK_runtime)
STACK_tls := $(B)/tls.a $(STACK_base)
STACK_http := $(B)/http.a $(STACK_base)
STACK_route := $(B)/route.a $(B)/http.a $(STACK_model)
STACK_pop := $(B)/pop.a $(B)/route.a $(B)/http.a $(B)/tls.a $(B)/load.a $(STACK_runtime)
STACK_wan := $(B)/wan.a $(STACK_load)
LINK_base = $(LIBS_base)
LINK_model = $(LIBS_base)
LINK_load = $(LIBS_load) $(LIBS_base)
LINK_store = $(LIBS_store) $(LIBS_base)
LINK_runtime = $(LIBS_runtime) $(LINK_store)
LINK_ctl = $(LIBS_load) $(LINK_store)
LINK_wire = $(LIBS_ldns) $(LIBS_base)
LINK_zone = $(LIBS_ldns) $(LIBS_base)
LINK_answer = $(LIBS_ldns) $(LIBS_base)
LINK_server = $(LIBS_load) $(LINK_runtime)
LINK_tls = $(LIBS_tls) $(LIBS_base)
LINK_http = $(LIBS_http) $(LIBS_base)
LINK_route = $(LINK_http)
LINK_pop = $(LIBS_http) $(LIBS_tls) $(LIBS_load) $(LINK_runtime)
LINK_wan = $(LIBS_uv) $(LIBS_load) $(LIBS_base)

PROGRAMS := $(B)/steer $(B)/steer-dns $(B)/steer-pop
.PHONY: all
all: $(PROGRAMS) ## the programs, in build/release or build/BUILD; the default

$(B)/steer: $(B)/steering/ctl/main.o $(STACK_ctl)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $(INPUTS) $(LINK_ctl)
$(B)/steer-dns: $(B)/dns/main.o $(STACK_server)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $(INPUTS) $(LINK_server)
$(B)/steer-pop: $(B)/pop/main.o $(STACK_pop)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $(INPUTS) $(LINK_pop)
# The emulated wide-area network of tests and benches; not installed.
$(B)/wan: $(B)/tools/wan/main.o $(STACK_wan)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $(INPUTS) $(LINK_wan)

# Lets an allocation fail in a program that it is preloaded into; without sanitizers, who have a malloc of their own.
$(B)/tests/integration/malloc_fault.so: tests/integration/malloc_fault.c $(B)/compile.flags
	$(Q)mkdir -p $(@D) && $(SAY) LD $@ && $(CC) -std=c11 -D_GNU_SOURCE -O1 -fPIC -shared -o $@ $<

# The client of the latency bench.
$(B)/tests/bench/latency_client: $(call objs,$(LATENCY_SRC)) $(STACK_base)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $(INPUTS) $(LIBS_http) $(LIBS_tls) $(LIBS_base)
LATENCY_BINS := latency_client latency/bare

# ---- unit tests: tests/unit mirrors the tree; each links its layer and those below ------------
TESTS_base := $(addprefix tests/unit/steering/base/,addr_test.c base64_test.c blocks_test.c buf_test.c cidr_test.c clock_test.c \
	diag_test.c digest_test.c err_test.c file_test.c hash_test.c json_test.c log_test.c mem_test.c \
	rng_test.c str_test.c suggest_test.c ulid_test.c)
TESTS_model := $(addprefix tests/unit/steering/model/,area_test.c break_glass_test.c \
	change_test.c decide_test.c document_test.c explain_test.c geo_scope_test.c geo_test.c \
	intern_test.c prefix_trie_test.c snapshot_test.c succession_test.c topology_test.c)
TESTS_load := $(addprefix tests/unit/config/load/,cidr_file_test.c domain_test.c mmdb_data_test.c \
	mmdb_hostile_test.c mmdb_test.c node_common_test.c node_test.c places_test.c pop_node_check_test.c pop_node_test.c \
	schema_test.c topology_backbone_test.c topology_load_test.c \
	world_load_test.c yaml_tree_test.c)
TESTS_store := $(addprefix tests/unit/steering/store/,apply_test.c dir_crash_test.c dir_race_test.c dir_test.c \
	last_good_test.c presence_test.c)
TESTS_runtime := $(addprefix tests/unit/steering/runtime/,admin_test.c break_glass_file_test.c command_line_test.c daemon_test.c \
	grace_test.c last_good_saver_test.c metrics_test.c notify_test.c privileges_test.c steering_test.c \
	publisher_test.c sockets_test.c)
TESTS_ctl := $(addprefix tests/unit/steering/ctl/,args_test.c converge_test.c findings_test.c sites_test.c \
	table_test.c text_test.c waiting_test.c)
TESTS_wire := $(addprefix tests/unit/dns/wire/,name_test.c query_test.c)
TESTS_zone := $(addprefix tests/unit/dns/zone/,doh_path_test.c lexer_test.c name_table_test.c \
	rdata_text_test.c svcb_test.c zone_load_test.c zone_set_test.c zone_twin_test.c)
TESTS_answer := $(addprefix tests/unit/dns/answer/,ecs_test.c edns_test.c steered_test.c steps_test.c \
	view_test.c zones_test.c)
TESTS_server := $(addprefix tests/unit/dns/server/,dataset_test.c frames_test.c site_counts_test.c \
	tally_test.c tcp_clients_test.c)
TESTS_tls := $(addprefix tests/unit/pop/tls/,context_test.c handshake_test.c ticket_keys_test.c tickets_test.c \
	tls_output_test.c)
TESTS_http := $(addprefix tests/unit/pop/http/,h1_client_test.c h1_server_test.c \
	h2_load_test.c h2_session_test.c h2_heads_test.c h2_violations_test.c head_test.c hpack_encoder_test.c pipe_test.c proxy_protocol_test.c \
	score_test.c window_test.c)
TESTS_route := $(addprefix tests/unit/pop/route/,attempts_random_test.c attempts_test.c \
	budgets_test.c choice_test.c ejection_test.c floor_plan_test.c \
	hop_test.c last_resort_test.c liveness_test.c pace_test.c route_table_test.c)
TESTS_pop := $(addprefix tests/unit/pop/server/,access_log_test.c client_addrs_test.c \
	client_conn_test.c client_listen_test.c client_liveness_test.c dataset_test.c \
	exchange_attempt_test.c exchange_pace_test.c exchange_test.c exchange_turn_test.c log_query_test.c mailbox_test.c \
	regions_test.c strays_test.c tally_metrics_test.c ticket_watch_test.c traffic_test.c transport_stall_test.c \
	transport_test.c \
	upstream_origin_test.c \
	upstream_random_test.c upstream_test.c wheel_test.c \
	worker_thread_test.c)
TESTS_wan := $(addprefix tests/unit/tools/wan/,link_test.c matrix_test.c network_test.c)
# Fuzz targets: LLVMFuzzerTestOneInput; `make test` runs each over its corpus without libFuzzer.
FUZZ_base :=
FUZZ_model := $(addprefix tests/fuzz/,break_glass_fuzz.c document_fuzz.c)
FUZZ_load := $(addprefix tests/fuzz/,mmdb_fuzz.c pop_node_fuzz.c topology_fuzz.c)
FUZZ_store := $(addprefix tests/fuzz/,store_log_fuzz.c)
FUZZ_wire := $(addprefix tests/fuzz/,query_fuzz.c)
FUZZ_zone := $(addprefix tests/fuzz/,zone_fuzz.c)
FUZZ_answer := $(addprefix tests/fuzz/,answer_fuzz.c)
FUZZ_tls := $(addprefix tests/fuzz/,ticket_keys_fuzz.c)
FUZZ_http := $(addprefix tests/fuzz/,h1_client_fuzz.c h1_server_fuzz.c h2_client_fuzz.c \
	h2_server_fuzz.c hpack_encoder_fuzz.c mapping_fuzz.c proxy_protocol_fuzz.c)
FUZZ_route := $(addprefix tests/fuzz/,attempts_fuzz.c hop_fuzz.c)

# Small programs that callgrind is run on: make build/release/tests/bench/answer_bench
BENCH_base := $(addprefix tests/bench/,udp_echo.c latency/bare.c)
BENCH_model := $(addprefix tests/bench/,geo_lookup_bench.c)
BENCH_zone := $(addprefix tests/bench/,zone_load_bench.c)
BENCH_answer := $(addprefix tests/bench/,answer_bench.c)
BENCH_tls := $(addprefix tests/bench/,tls_bench.c)

TEST_LAYERS := base model load store runtime ctl wire zone answer server tls http route pop wan
FUZZ_LAYERS := base model load store wire zone answer tls http route
BENCH_LAYERS := base model zone answer tls
UNIT_BINS :=
FUZZ_BINS :=
BENCH_BINS :=
# In the fuzz flavour libFuzzer brings main(); in the others a runner over the corpus does.
FUZZ_MAIN := $(if $(filter-out fuzz,$(BUILD)),$(B)/tests/fuzz/corpus_main.o)
define test_layer
UNIT_BINS += $$(patsubst %.c,$(B)/%,$$(TESTS_$(1)))
$$(patsubst %.c,$(B)/%,$$(TESTS_$(1))): $(B)/%: $(B)/%.o $$(STACK_$(1))
	$$(Q)$$(SAY) LD $$@ && $$(CC) $$(LDFLAGS_TEST) -o $$@ $$(INPUTS) -lcmocka $$(LINK_$(1))
endef
define fuzz_layer
FUZZ_BINS += $$(patsubst %.c,$(B)/%,$$(FUZZ_$(1)))
$$(patsubst %.c,$(B)/%,$$(FUZZ_$(1))): $(B)/%: $(B)/%.o $(FUZZ_MAIN) $$(STACK_$(1))
	$$(Q)$$(SAY) LD $$@ && $$(CC) $$(LDFLAGS_TEST) -o $$@ $$(INPUTS) $$(LINK_$(1))
endef
define bench_layer
BENCH_BINS += $$(patsubst %.c,$(B)/%,$$(BENCH_$(1)))
$$(patsubst %.c,$(B)/%,$$(BENCH_$(1))): $(B)/%: $(B)/%.o $$(STACK_$(1))
	$$(Q)$$(SAY) LD $$@ && $$(CC) $$(LDFLAGS) -o $$@ $$(INPUTS) $$(LINK_$(1))
endef
$(foreach layer,$(TEST_LAYERS),$(eval $(call test_layer,$(layer))))
$(foreach layer,$(FUZZ_LAYERS),$(eval $(call fuzz_layer,$(layer))))
$(foreach layer,$(BENCH_LAYERS),$(eval $(call bench_layer,$(layer))))

# ---- rules -----------------------------------------------------------------------------------
ifeq ($(V),1)
Q :=
SAY := :
else
Q := @
SAY := printf '  %-4s %s\n'
endif
.SECONDARY:
.DELETE_ON_ERROR:
# Without the stamps of the command lines.
INPUTS = $(filter %.o %.a,$^)
$(B)/%.o: %.c $(B)/compile.flags
	$(Q)mkdir -p $(@D) && $(SAY) CC $< && $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.o: %.S $(B)/compile.flags
	$(Q)mkdir -p $(@D) && $(SAY) AS $< && $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.a:
	$(Q)mkdir -p $(@D) && $(SAY) AR $@ && rm -f $@ && $(AR) rcs $@ $^
# .incbin is invisible to -MMD.
$(B)/config/load/geo_embedded.o: config/geo/steer-geo.mmdb
# These targets build through a make of their own: reading a thousand small files twice would take a second each time.
RELAYS := test unit fuzz-corpus fuzz integration bench bench-honour bench-latency chaos demo dns-peers lint lint-tree \
	check-layers format clean help
ifneq ($(filter-out $(RELAYS) lint-files build/lint/%,$(or $(MAKECMDGOALS),all)),)
-include $(shell find $(B) -name '*.d' 2>/dev/null)
endif

# ---- test targets ----------------------------------------------------------------------------
# Sub-makes use all cores unless the caller said -j.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
QUIET = $(if $(filter 1,$(V)),,-s) --no-print-directory
SUBMAKE = $(MAKE) $(QUIET) BUILD=$(BUILD)
# A finding ends the process with a status of its own, which no test takes for a normal exit.
export ASAN_OPTIONS ?= halt_on_error=1:exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1:exitcode=99
export TSAN_OPTIONS ?= halt_on_error=1:exitcode=66:second_deadlock_stack=1
export STEER_BUILD_DIR := $(B)
export JOBS

FLAVOURS := release asan tsan tiny
ifeq ($(origin BUILD),command line)
TEST_STEPS := $(BUILD)
else
TEST_STEPS := lint $(FLAVOURS)
endif
.PHONY: test unit-bins fuzz-bins unit unit-one fuzz-corpus fuzz integration bench bench-honour bench-latency chaos dns-peers demo
# Both named in one command with -j: lint first, so that it is not run twice at the same time.
test: | $(filter lint,$(MAKECMDGOALS)) ## lint, then every suite in every flavour; BUILD=x for one
	$(Q)tools/run-tests $(TEST_STEPS)
# ThreadSanitizer has something to find only where threads are: the tests of the other folders
# would spend minutes of its slowness on one thread.
THREADED := steering/base steering/model/snapshot steering/store steering/runtime dns/server \
	pop/server
UNIT_RUN_tsan := $(filter $(THREADED:%=$(B)/tests/unit/%%),$(UNIT_BINS))
UNIT_RUN = $(or $(UNIT_RUN_$(BUILD)),$(UNIT_BINS))
unit-bins: $(UNIT_RUN)
fuzz-bins: $(FUZZ_BINS)
unit: ## the unit tests of one flavour (tsan: of the folders that start threads)
	$(Q)$(SUBMAKE) $(PARALLEL) $(UNIT_RUN)
	$(Q)tools/run-unit $(UNIT_RUN)
unit-one: $(B)/$(T) ## one test binary: T=tests/unit/steering/base/str_test
	$(Q)$(B)/$(T)
fuzz-corpus: ## every fuzz target over its stored corpus, without libFuzzer
	$(Q)$(SUBMAKE) $(PARALLEL) fuzz-bins
	$(Q)tools/run-fuzz corpus $(FUZZ_BINS)
MINUTES ?= 1
TARGET ?=
fuzz: ## libFuzzer, MINUTES=1 for each target; TARGET=<unit>_fuzz for one
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=fuzz fuzz-bins
	$(Q)tools/run-fuzz minutes $(MINUTES) '$(TARGET)' $(patsubst $(B)/%,build/fuzz/%,$(FUZZ_BINS))

TEST_SECONDS_EACH := 300
# ThreadSanitizer looks for races: what one worker does with bytes has none. The shrunk limits are in
# parsers, buffers and tables, which these files do not reach in other ways than the rest does. The demo
# runs build/release whatever is tested; benches and their report are measured in release only, and the Makefile and
# its scripts are the same for all.
BENCH_TESTS := test_build.py test_run_unit.py test_honour.py test_latency_lab.py test_latency_report.py
# steer, wan and the latency client have one thread. A sanitizer's malloc cannot be made to fail from outside.
INTEGRATION_LEAVES_tsan := test_pop_http1_rules.py test_pop_http2_rules.py test_pop_websocket.py \
	test_pop_tls.py test_dns_zone.py test_dns_zone_files.py test_dns_ecs.py test_pop_journal.py test_demo.py test_ctl_check.py \
	test_ctl_explain.py test_ctl_memory.py test_wan.py test_latency_client.py $(BENCH_TESTS)
INTEGRATION_LEAVES_tiny := test_demo.py test_pop_drain.py test_pop_steering.py test_pop_reload.py test_pop_tls.py \
	test_pop_journal.py test_evacuate_load.py test_wan.py test_latency_client.py $(BENCH_TESTS)
INTEGRATION_LEAVES_asan := test_demo.py test_pop_journal.py test_ctl_memory.py $(BENCH_TESTS)
# One more process than CPUs: half of the time tests wait.
integration: ## pytest against the programs of one flavour; PYTEST_ARGS='-k ecs'
	$(Q)$(SUBMAKE) $(PARALLEL) all $(B)/wan $(LATENCY_BINS:%=$(B)/tests/bench/%) $(B)/tests/integration/malloc_fault.so
	$(Q)$(foreach file,$(INTEGRATION_LEAVES_$(BUILD)),echo 'left out in $(BUILD): $(file)';) \
		PYTHON=$(PYTHON) tools/run-integration $(BUILD) -n $(shell expr $(JOBS) + 1) --dist loadfile --timeout=$(TEST_SECONDS_EACH) \
			$(INTEGRATION_LEAVES_$(BUILD):%=--ignore=tests/integration/%) tests/integration $(PYTEST_ARGS)
bench: ## compares speed and memory with the peers, as ratios
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=release all build/release/tests/bench/udp_echo
	$(Q)tests/bench/run
	$(Q)tests/bench/pop
HONOUR_ARGS ?=
bench-honour: ## how long caching resolvers keep naming an evacuated region; ten minutes of waiting
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=release all
	$(Q)tests/bench/honour $(HONOUR_ARGS)
LATENCY_ARGS ?=
bench-latency: ## round trips beside the peers over emulated wide-area links, eight minutes; LATENCY_ARGS=--short
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=release all build/release/wan $(LATENCY_BINS:%=build/release/tests/bench/%)
	$(Q)tests/bench/latency/lab $(LATENCY_ARGS)
CHAOS_ARGS ?=
chaos: ## the journal test: two minutes of killed, frozen and evacuated regions; CHAOS_ARGS='--wan --seed N'
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=release all build/release/wan
	$(Q)tests/chaos/journal $(CHAOS_ARGS)
dns-peers: ## random zones and questions to steer-dns, Knot and BIND; WORLDS=20, STEER_SEED=N for the same ones again
	$(Q)STEER_PEER_WORLDS=$(or $(WORLDS),20) $(MAKE) $(QUIET) BUILD=release integration PYTEST_ARGS='-k dns_peers'
demo: ## a whole fleet on loopback: resolve, request, evacuate, kill, restore
	$(Q)$(MAKE) $(QUIET) $(PARALLEL) BUILD=release all
	$(Q)tools/demo

# ---- lint ------------------------------------------------------------------------------------
# One stamp for each file that passed, so that a second run looks at what changed only.
SOURCES := $(filter %.c,$(foreach layer,BASE MODEL LOAD STORE RUNTIME CTL WIRE ZONE ANSWER SERVER TLS \
	HTTP ROUTE POP WAN LATENCY, \
	$($(layer)_SRC))) steering/ctl/main.c dns/main.c pop/main.c tools/wan/main.c tests/fuzz/corpus_main.c tests/integration/malloc_fault.c \
	$(foreach layer,$(TEST_LAYERS),$(TESTS_$(layer))) $(foreach layer,$(FUZZ_LAYERS),$(FUZZ_$(layer))) \
	$(foreach layer,$(BENCH_LAYERS),$(BENCH_$(layer)))
LINT_FILES := $(filter %.c,$(SOURCES)) $(shell find steering config dns pop tools tests -name '*.h' 2>/dev/null)
.PHONY: lint lint-files lint-tree check-layers format
lint: ## format, clang-tidy, cppcheck, gcc -fanalyzer, sizes, layers, scripts, manuals
	$(Q)$(SUBMAKE) $(PARALLEL) lint-files lint-tree
lint-files: $(LINT_FILES:%=build/lint/%.ok)
lint-tree:
	$(Q)tools/lint-tree $(SOURCES)
# Whatever BUILD is: a release's flags, but for code that nobody wants.
LINT_LINE = $(strip $(filter-out -g -flto -ffat-lto-objects,$(subst $(CFLAGS_$(BUILD)),$(CFLAGS_release),$(CFLAGS))))
build/lint/%.ok: % .clang-format .clang-tidy tools/lint-file build/lint/flags
	$(Q)mkdir -p $(@D) && $(SAY) LINT $< && tools/lint-file $< $@ $(LINT_LINE) && touch $@
check-layers: ## who includes whom
	$(Q)tools/check-layers
format: ## clang-format in place
	$(Q)clang-format -i $(filter-out %_data.c,$(LINT_FILES))
ifneq ($(filter lint-files build/lint/%,$(MAKECMDGOALS)),)
-include $(shell find build/lint -name '*.d' 2>/dev/null)
endif

# ---- the command lines that made what is there -------------------------------------------------
# A stamp is rewritten only when they are others now, and what the old ones made is made anew.
COMPILE_LINE = $(strip $(CC) $(CFLAGS))
LINK_LINE = $(strip $(CC) $(LDFLAGS) $(LDFLAGS_TEST) $(foreach layer,$(TEST_LAYERS),$(LINK_$(layer))))
is_same = $(and $(findstring <$(1)>,<$(2)>),$(findstring <$(2)>,<$(1)>))
quoted = '$(subst ','\'',$(1))'
define stamp
$(1): $(if $(call is_same,$($(2)),$(file <$(1))),,always)
	@mkdir -p $$(@D) && printf '%s\n' $$(call quoted,$$($(2))) >$$@
endef
.PHONY: always
ifneq ($(filter-out $(RELAYS),$(or $(MAKECMDGOALS),all)),)
$(eval $(call stamp,$(B)/compile.flags,COMPILE_LINE))
$(eval $(call stamp,$(B)/link.flags,LINK_LINE))
$(eval $(call stamp,build/lint/flags,LINT_LINE))
endif
$(PROGRAMS) $(B)/wan $(B)/tests/bench/latency_client $(UNIT_BINS) $(FUZZ_BINS) $(BENCH_BINS): $(B)/link.flags

# ---- install ---------------------------------------------------------------------------------
MAN_PAGES := $(wildcard steering/ctl/steer.1 steering/store/steer-store.5 dns/steer-dns.8 pop/steer-pop.8 config/load/steer.yaml.5)
COMPLETION := $(wildcard steering/ctl/steer.bash)
EXAMPLES := $(wildcard config/examples/*)
GEO_LICENCE := $(wildcard config/geo/LICENSE config/geo/README.md)
SHARE := $(DESTDIR)$(PREFIX)/share
.PHONY: install clean help
install: all ## programs, manuals, completion, examples; PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(SHARE)/man/man$${page##*.}/$$(basename $$page) || exit 1; done
	for file in $(COMPLETION); do \
		install -D -m 644 $$file $(SHARE)/bash-completion/completions/steer || exit 1; done
	install -D -m 644 LICENSE $(SHARE)/doc/steer/LICENSE
	for file in $(EXAMPLES); do \
		install -D -m 644 $$file $(SHARE)/doc/steer/examples/$$(basename $$file) || exit 1; done
	sed -i 's|/usr/local/bin/|$(PREFIX)/bin/|' $(SHARE)/doc/steer/examples/*.service
	install -D -m 755 tools/make-certs $(SHARE)/doc/steer/examples/make-certs
	for file in $(GEO_LICENCE); do \
		install -D -m 644 $$file $(SHARE)/doc/steer/geo/$$(basename $$file) || exit 1; done

clean: ## removes build/
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1 \2/p' $(firstword $(MAKEFILE_LIST)) | \
		while read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done
