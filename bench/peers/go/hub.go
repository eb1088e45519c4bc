// A hub the way it is usually written on net/http: a goroutine a subscriber, which waits on a channel of its own, and a publish
// that puts the frame into every channel. GET /events/{topic} streams, POST /events/{topic} publishes the body.
// Usage: hub [PORT]
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// Frames that wait for one subscriber. With a full channel the publisher waits, so that nothing is lost: a hub that drops
// would be faster only by delivering less.
const queueFrames = 256

type topic struct {
	mutex       sync.Mutex // Held while a frame is put into all channels: every subscriber sees the same order.
	subscribers map[chan []byte]struct{}
}

type hub struct {
	mutex    sync.RWMutex
	topics   map[string]*topic
	position atomic.Uint64
}

func (h *hub) topic(name string) *topic {
	h.mutex.RLock()
	found := h.topics[name]
	h.mutex.RUnlock()
	if found != nil {
		return found
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if found = h.topics[name]; found == nil {
		found = &topic{subscribers: make(map[chan []byte]struct{})}
		h.topics[name] = found
	}
	return found
}

func (h *hub) subscribe(t *topic, w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	flusher := w.(http.Flusher)
	frames := make(chan []byte, queueFrames)
	t.mutex.Lock()
	t.subscribers[frames] = struct{}{}
	t.mutex.Unlock()
	// Who publishes may be waiting for this channel and holds the lock: keep taking until out of the list.
	defer func() {
		left := make(chan struct{})
		go func() {
			t.mutex.Lock()
			delete(t.subscribers, frames)
			t.mutex.Unlock()
			close(left)
		}()
		for {
			select {
			case <-frames:
			case <-left:
				return
			}
		}
	}()
	if _, err := io.WriteString(w, "event: open\ndata: {}\n\n"); err != nil {
		return
	}
	flusher.Flush()
	for {
		select {
		case frame := <-frames:
			if _, err := w.Write(frame); err != nil {
				return
			}
			// What has come meanwhile goes out with the same write.
			for waiting := len(frames); waiting > 0; waiting-- {
				if _, err := w.Write(<-frames); err != nil {
					return
				}
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (h *hub) publish(t *topic, data string) int {
	id := h.position.Add(1)
	frame := []byte(fmt.Sprintf("id: %d\ndata: %s\n\n", id, strings.ReplaceAll(data, "\n", "\ndata: ")))
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for frames := range t.subscribers {
		frames <- frame
	}
	return len(t.subscribers)
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := ""
	if strings.HasPrefix(r.URL.Path, "/events/") { // CutPrefix is newer than Debian's Go.
		name = r.URL.Path[len("/events/"):]
	}
	switch {
	case name != "" && r.Method == http.MethodGet:
		h.subscribe(h.topic(name), w, r)
	case name != "" && r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"subscribers\":%d}\n", h.publish(h.topic(name), string(body)))
	case r.URL.Path == "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		http.NotFound(w, r)
	}
}

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, &hub{topics: make(map[string]*topic)}))
}
