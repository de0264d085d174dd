package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	ocpp16 "github.com/lorenzodonini/ocpp-go/ocpp1.6"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/core"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/types"
	"github.com/lorenzodonini/ocpp-go/ws"
)

// pingWait is how long the central system bears silence. The library's default is a minute;
// a test has not so long.
const pingWait = 3 * time.Second

// system is a central system. It answers what chargers say, and asks each whose connector
// is available to start a transaction and to change its configuration.
type system struct {
	ocpp16.CentralSystem
	name string
	book *log.Logger
}

func central(port, name, file string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	server := ws.NewServer()
	server.SetTimeoutConfig(ws.ServerTimeoutConfig{WriteWait: 10 * time.Second, PingWait: pingWait})
	s := &system{ocpp16.NewCentralSystem(nil, server), name, log.New(f, "", 0)}
	server.SetBasicAuthHandler(func(_, given string) bool { return given == password })
	// The password opens the charger's own path alone. The library listens on all addresses,
	// so whoever is not of this machine is refused here.
	s.SetNewChargingStationValidationHandler(func(id string, r *http.Request) bool {
		if !strings.HasPrefix(r.RemoteAddr, "127.0.0.1:") {
			return false
		}
		user, _, _ := r.BasicAuth()
		s.book.Printf("handshake %s as %s, %s, %s", id, user, r.Header.Get("Draftwire-Version"), r.Header.Get("X-Forwarded-Proto"))
		return user == id
	})
	s.SetNewChargePointHandler(func(c ocpp16.ChargePointConnection) { s.book.Printf("connected %s", c.ID()) })
	s.SetChargePointDisconnectedHandler(func(c ocpp16.ChargePointConnection) { s.book.Printf("disconnected %s", c.ID()) })
	s.SetCoreHandler(s)
	s.Start(number, "/ocpp/{id}")
	return fmt.Errorf("port %s cannot be listened on", port)
}

func (s *system) OnBootNotification(id string, r *core.BootNotificationRequest) (*core.BootNotificationConfirmation, error) {
	s.book.Printf("boot %s %s", id, r.ChargePointModel)
	return core.NewBootNotificationConfirmation(types.Now(), 300, core.RegistrationStatusAccepted), nil
}

func (s *system) OnHeartbeat(id string, _ *core.HeartbeatRequest) (*core.HeartbeatConfirmation, error) {
	s.book.Printf("heartbeat %s", id)
	return core.NewHeartbeatConfirmation(types.Now()), nil
}

func (s *system) OnStatusNotification(id string, r *core.StatusNotificationRequest) (*core.StatusNotificationConfirmation, error) {
	s.book.Printf("status %s %s", id, r.Status)
	if r.Status == core.ChargePointStatusAvailable {
		go s.command(id)
	}
	return core.NewStatusNotificationConfirmation(), nil
}

// command is what the central system wants of a charger; the answers go into the book.
func (s *system) command(id string) {
	err := s.RemoteStartTransaction(id, func(c *core.RemoteStartTransactionConfirmation, err error) {
		if err != nil {
			s.book.Printf("remote-start %s: %v", id, err)
			return
		}
		s.book.Printf("remote-start %s %s", id, c.Status)
	}, "tag-1")
	if err == nil {
		err = s.ChangeConfiguration(id, func(c *core.ChangeConfigurationConfirmation, err error) {
			if err != nil {
				s.book.Printf("configuration %s: %v", id, err)
				return
			}
			s.book.Printf("configuration %s %s", id, c.Status)
		}, "HeartbeatInterval", "600")
	}
	if err != nil {
		s.book.Printf("command %s: %v", id, err)
	}
}

// OnDataTransfer tells the charger which central system this is. Told to die, it ends soon
// after its answer, as a process does that crashes.
func (s *system) OnDataTransfer(id string, r *core.DataTransferRequest) (*core.DataTransferConfirmation, error) {
	if r.MessageId == "die" {
		s.book.Printf("dies for %s", id)
		time.AfterFunc(200*time.Millisecond, func() { os.Exit(1) })
	}
	c := core.NewDataTransferConfirmation(core.DataTransferStatusAccepted)
	c.Data = s.name
	return c, nil
}

func (s *system) OnAuthorize(string, *core.AuthorizeRequest) (*core.AuthorizeConfirmation, error) {
	return core.NewAuthorizationConfirmation(types.NewIdTagInfo(types.AuthorizationStatusAccepted)), nil
}

func (s *system) OnMeterValues(string, *core.MeterValuesRequest) (*core.MeterValuesConfirmation, error) {
	return core.NewMeterValuesConfirmation(), nil
}

func (s *system) OnStartTransaction(id string, _ *core.StartTransactionRequest) (*core.StartTransactionConfirmation, error) {
	s.book.Printf("start %s", id)
	return core.NewStartTransactionConfirmation(types.NewIdTagInfo(types.AuthorizationStatusAccepted), 1), nil
}

func (s *system) OnStopTransaction(string, *core.StopTransactionRequest) (*core.StopTransactionConfirmation, error) {
	return core.NewStopTransactionConfirmation(), nil
}
