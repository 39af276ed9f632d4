# One static binary, no shell, nobody's user id.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t share-proxy .
FROM golang:1.27.2-alpine AS build
RUN apk add --no-cache ca-certificates
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /out/usr/local/bin/share-proxy ./cmd/share-proxy \
 && ln -s share-proxy /out/usr/local/bin/configurable-http-proxy

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ /
ENV PATH=/usr/local/bin
# nobody, as in CHP's image.
USER 65534:65534
# Public and route API. Metrics and readiness are where --metrics-port says.
EXPOSE 8000 8001
ENTRYPOINT ["share-proxy"]
CMD ["serve"]
