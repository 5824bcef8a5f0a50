static int32_t init(const RvHost *host, RvError *err) {
    (void)host, (void)err;
    return RV_OK;
}

const RvPlugin *rivet_plugin_entry(void) {
    static const RvPlugin plugin = {
        .struct_size = sizeof(RvPlugin),
        .abi_major = RV_ABI_MAJOR,
        .abi_minor = RV_ABI_MINOR,
        .name = {(const uint8_t *)NAME, sizeof NAME - 1},
        .version = {(const uint8_t *)VERSION, sizeof VERSION - 1},
        .init = init,
        .spec = spec,
        .__KIND__ = &__KIND__,
        .marker = (const uint8_t *)rivet_plugin_marker,
    };
    return &plugin;
}
