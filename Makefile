# SPDX-License-Identifier: Apache-2.0
# One explicit, non-recursive Makefile. The lists below are the inventory of the project.
#   make            build/release/steer, build/release/steer-dns
#   make test       everything that CI runs; BUILD=asan|tsan|tiny|release for one flavour
#   make help       the other targets

BUILD ?= release
B := build/$(BUILD)
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
PYTHON ?= /usr/bin/python3

# ---- flavours --------------------------------------------------------------------------------
CC ?= gcc
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2 -Wundef -Wcast-qual -Wswitch-enum -Werror
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_tiny := -O1 -g -DSTEER_TINY
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_tiny :=
ifeq ($(CFLAGS_$(BUILD)),)
$(error BUILD=$(BUILD) is unknown; use release, asan, tsan or tiny)
endif

pc = $(shell pkg-config --$(1) $(2) 2>/dev/null)
PKGS := jansson libcrypto yaml-0.1 libmaxminddb libldns libuv libmicrohttpd libcurl
CFLAGS := -std=c11 -D_GNU_SOURCE -I. -pthread $(WARN) $(CFLAGS_$(BUILD)) $(EXTRA_CFLAGS) \
	-DSTEER_VERSION='"$(VERSION)"'
ifeq ($(filter clean help install-deps,$(MAKECMDGOALS)),)
CFLAGS += $(call pc,cflags,$(PKGS))
endif
LDFLAGS := -pthread $(LDFLAGS_$(BUILD)) $(EXTRA_LDFLAGS)
# What each layer pulls in from outside.
LIBS_base = $(call pc,libs,jansson libcrypto) -lm
LIBS_load = $(call pc,libs,yaml-0.1 libmaxminddb libldns)
LIBS_store = $(call pc,libs,libcurl)
LIBS_runtime = $(call pc,libs,libuv libmicrohttpd)
LIBS_ldns = $(call pc,libs,libldns)

# ---- sources, lowest layer first -------------------------------------------------------------
BASE_SRC := $(addprefix steering/base/,addr.c buf.c cidr.c clock.c diag.c digest.c err.c file.c \
	hash.c json.c log.c mem.c rng.c str.c suggest.c ulid.c)
MODEL_SRC := $(addprefix steering/model/,area.c break_glass.c change.c decide.c document.c \
	location.c site.c snapshot.c succession.c topology.c)
LOAD_SRC := $(addprefix config/load/,places.c places_data.c)
STORE_SRC := $(addprefix steering/store/,)
RUNTIME_SRC := $(addprefix steering/runtime/,)
CTL_SRC := $(addprefix steering/ctl/,)
WIRE_SRC := $(addprefix dns/wire/,)
ZONE_SRC := $(addprefix dns/zone/,)
ANSWER_SRC := $(addprefix dns/answer/,)
SERVER_SRC := $(addprefix dns/server/,)

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

PROGRAMS := $(B)/steer $(B)/steer-dns
.PHONY: all
all: $(PROGRAMS)

$(B)/steer: $(B)/steering/ctl/main.o $(STACK_ctl)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $^ $(LINK_ctl)
$(B)/steer-dns: $(B)/dns/main.o $(STACK_server)
	$(Q)$(SAY) LD $@ && $(CC) $(LDFLAGS) -o $@ $^ $(LINK_server)

# ---- unit tests: tests/unit mirrors the tree; each links its layer and those below ------------
TESTS_base := $(addprefix tests/unit/steering/base/,)
TESTS_model := $(addprefix tests/unit/steering/model/,)
TESTS_load := $(addprefix tests/unit/config/load/,places_test.c)
TESTS_store := $(addprefix tests/unit/steering/store/,)
TESTS_runtime := $(addprefix tests/unit/steering/runtime/,)
TESTS_ctl := $(addprefix tests/unit/steering/ctl/,)
TESTS_wire := $(addprefix tests/unit/dns/wire/,)
TESTS_zone := $(addprefix tests/unit/dns/zone/,)
TESTS_answer := $(addprefix tests/unit/dns/answer/,)
TESTS_server := $(addprefix tests/unit/dns/server/,)
# Fuzz targets: LLVMFuzzerTestOneInput; `make test` runs each over its corpus without libFuzzer.
FUZZ_base :=
FUZZ_model := $(addprefix tests/fuzz/,)
FUZZ_load := $(addprefix tests/fuzz/,)
FUZZ_wire := $(addprefix tests/fuzz/,)
FUZZ_zone := $(addprefix tests/fuzz/,)
FUZZ_answer := $(addprefix tests/fuzz/,)

TEST_LAYERS := base model load store runtime ctl wire zone answer server
FUZZ_LAYERS := base model load wire zone answer
UNIT_BINS :=
FUZZ_BINS :=
define test_layer
UNIT_BINS += $$(patsubst %.c,$(B)/%,$$(TESTS_$(1)))
$$(patsubst %.c,$(B)/%,$$(TESTS_$(1))): $(B)/%: $(B)/%.o $$(STACK_$(1))
	$$(Q)$$(SAY) LD $$@ && $$(CC) $$(LDFLAGS) -o $$@ $$^ -lcmocka $$(LINK_$(1))
endef
define fuzz_layer
FUZZ_BINS += $$(patsubst %.c,$(B)/%,$$(FUZZ_$(1)))
$$(patsubst %.c,$(B)/%,$$(FUZZ_$(1))): $(B)/%: $(B)/%.o $(B)/tests/fuzz/corpus_main.o $$(STACK_$(1))
	$$(Q)$$(SAY) LD $$@ && $$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LINK_$(1))
endef
$(foreach layer,$(TEST_LAYERS),$(eval $(call test_layer,$(layer))))
$(foreach layer,$(FUZZ_LAYERS),$(eval $(call fuzz_layer,$(layer))))

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
$(B)/%.o: %.c
	$(Q)mkdir -p $(@D) && $(SAY) CC $< && $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.o: %.S
	$(Q)mkdir -p $(@D) && $(SAY) AS $< && $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.a:
	$(Q)mkdir -p $(@D) && $(SAY) AR $@ && rm -f $@ && $(AR) rcs $@ $^
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- test targets ----------------------------------------------------------------------------
.PHONY: unit fuzz-corpus clean help
unit: $(UNIT_BINS)
	$(Q)tools/run-unit $(UNIT_BINS)
# One test binary: make unit-one T=tests/unit/steering/base/str_test
.PHONY: unit-one
unit-one: $(B)/$(T)
	$(Q)$(B)/$(T)
fuzz-corpus: $(FUZZ_BINS)
	$(Q)for bin in $(FUZZ_BINS); do $$bin tests/fuzz/corpus/$$(basename $$bin) || exit 1; done

clean:
	rm -rf build
